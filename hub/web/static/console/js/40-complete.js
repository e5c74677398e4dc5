// <input data-search="/console/search/…/suggestions">: what could come next, below the box. The server knows the words.
{
  const box = document.querySelector("[data-search]");
  if (box) {
    const list = document.createElement("ul");
    const told = document.createElement("span");
    Object.assign(list, { id: "search-options", className: "options", role: "listbox", hidden: true });
    list.setAttribute("aria-label", "Suggestions");
    Object.assign(told, { className: "hidden" });
    told.setAttribute("role", "status");
    box.form.append(list, told);
    box.removeAttribute("list");
    box.setAttribute("role", "combobox");
    box.setAttribute("aria-autocomplete", "list");
    box.setAttribute("aria-controls", list.id);
    box.setAttribute("aria-expanded", "false");

    let chosen = -1, asking = null;
    const close = () => {
      asking?.abort();
      list.hidden = true;
      list.replaceChildren();
      chosen = -1;
      box.setAttribute("aria-expanded", "false");
      box.removeAttribute("aria-activedescendant");
    };
    const choose = (number) => {
      const options = [...list.children];
      chosen = (number + options.length) % options.length;
      options.forEach((option, at) => option.setAttribute("aria-selected", String(at === chosen)));
      options[chosen].scrollIntoView({ block: "nearest" });
      box.setAttribute("aria-activedescendant", options[chosen].id);
    };
    const take = (option) => {
      const { start, end, text } = option.dataset;
      // A field goes on with its value; a value is followed by the next term.
      const added = text.endsWith(":") ? text : `${text} `;
      box.setRangeText(added, Number(start), Number(end), "end");
      close();
      box.focus();
      if (text.endsWith(":")) ask();
    };
    const show = (items) => {
      close();
      list.replaceChildren(...items.map((item, at) => {
        const option = document.createElement("li");
        const term = document.createElement("code");
        const about = document.createElement("span");
        Object.assign(option, { id: `search-option-${at}`, role: "option" });
        Object.assign(option.dataset, { start: item.start, end: item.end, text: item.text });
        option.setAttribute("aria-selected", "false");
        term.textContent = item.text;
        about.textContent = item.about;
        about.className = "soft";
        option.append(term, about);
        return option;
      }));
      list.hidden = !items.length;
      box.setAttribute("aria-expanded", String(items.length > 0));
      told.textContent = items.length ? `${items.length} suggestions` : "";
    };
    const ask = async () => {
      asking?.abort();
      asking = new AbortController();
      const query = new URLSearchParams({ q: box.value, cursor: box.selectionStart });
      try {
        const answer = await fetch(`${box.dataset.search}?${query}`, { signal: asking.signal });
        if (answer.ok && document.activeElement === box) show((await answer.json()).items);
      } catch (error) {
        if (error.name !== "AbortError") close();
      }
    };
    let waiting;
    box.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(ask, 80); });
    box.addEventListener("blur", close);
    // Before the box loses the focus to the click.
    list.addEventListener("mousedown", (event) => {
      event.preventDefault();
      const option = event.target.closest("[role=option]");
      if (option) take(option);
    });
    box.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" && list.hidden) { event.preventDefault(); ask(); return; }
      if (list.hidden) return;
      if (event.key === "ArrowDown") choose(chosen + 1);
      else if (event.key === "ArrowUp") choose(chosen < 0 ? -1 : chosen - 1);
      else if ((event.key === "Enter" || event.key === "Tab") && chosen >= 0) take(list.children[chosen]);
      else if (event.key === "Escape") close();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }
}
