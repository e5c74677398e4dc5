// The keyboard. What a key does to a row or a page, its markup says: [data-open], [data-key]. Keys that are typed
// into something, or held with Ctrl, Alt or Meta, are not ours.
{
  const places = { i: "/console/inbox", j: "/console/jobs", e: "/console/events", p: "/console/plans", q: "/console/queues", o: "/console/overview" };
  const help = [
    ["/", "search"], ["j, k", "next row, row before"], ["x", "select the row"], ["o, Enter", "open the row"],
    ["r", "retry what is selected, or the row: opens the page that asks before it does"],
    ["g then i, j, e, p, q, o", "go to inbox, jobs, events, plans, queues, overview"],
    ["?", "this help"], ["Esc", "close, or leave the search"],
  ];
  const told = document.createElement("div");
  told.className = "hidden";
  told.setAttribute("role", "status");
  document.body.append(told);

  const rows = () => [...document.querySelectorAll(".list tbody tr")];
  const here = () => document.querySelector("tr.here");
  const move = (step) => {
    const all = rows();
    if (!all.length) return;
    const next = all[Math.min(Math.max(all.indexOf(here()) + step, 0), all.length - 1)];
    all.forEach((row) => row.classList.toggle("here", row === next));
    let target = next.querySelector("[data-open], th a, a");
    if (!target) {
      target = next;
      target.tabIndex = -1;
    }
    // The focus goes along, so that a screen reader says the row and Tab goes on from it.
    target.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
    told.textContent = `Row ${all.indexOf(next) + 1} of ${all.length}`;
  };
  const select = () => {
    const box = here()?.querySelector("input[type=checkbox]");
    if (!box) return;
    box.click();
    told.textContent = box.checked ? "Selected" : "Not selected";
  };
  // A row's own, or the page's.
  const marked = (key) => here()?.querySelector(`[data-key="${key}"]`) ?? document.querySelector(`[data-key="${key}"]:not(tr *)`);
  // What is ticked goes before where one is.
  const selected = (key) => (document.querySelector("[data-select]:checked") ? document.querySelector(`[data-selected-key="${key}"]`) : null);
  const retry = () => {
    const target = selected("r") ?? marked("r");
    // What is done for good is never done by a key: it goes to where it is asked and confirmed.
    if (target?.matches("a, [data-selected-key]")) target.click();
    else target?.closest("form")?.querySelector("input:not([type=hidden]), textarea, button")?.focus();
  };
  const dialog = () => {
    let shown = document.querySelector("dialog.keys");
    if (!shown) {
      shown = document.createElement("dialog");
      shown.className = "keys";
      shown.setAttribute("aria-labelledby", "keys-title");
      const title = document.createElement("h2");
      Object.assign(title, { id: "keys-title", textContent: "Keys" });
      const list = document.createElement("dl");
      for (const [key, does] of help) {
        const pair = document.createElement("div"), term = document.createElement("dt"), text = document.createElement("dd");
        const cap = document.createElement("kbd");
        cap.textContent = key;
        text.textContent = does;
        term.append(cap);
        pair.append(term, text);
        list.append(pair);
      }
      const close = document.createElement("button");
      close.textContent = "Close";
      close.addEventListener("click", () => shown.close());
      shown.append(title, list, close);
      document.body.append(shown);
    }
    shown.showModal();
  };
  const typing = (target) => target.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable], dialog");
  let going = 0;
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return;
    // Leaving it is not clearing it, which Escape is to the browser.
    if (event.key === "Escape" && event.target.matches("[data-search]")) { event.preventDefault(); event.target.blur(); return; }
    if (typing(event.target)) return;
    const went = Date.now() - going < 1500;
    going = 0;
    if (went && places[event.key]) { event.preventDefault(); location.assign(places[event.key]); return; }
    const acts = {
      "/": () => { const box = document.querySelector("[data-search]"); box?.focus(); box?.select(); },
      j: () => move(1), k: () => move(-1), x: select, r: retry, "?": dialog,
      o: () => here()?.querySelector("[data-open], th a, a")?.click(),
      g: () => { going = Date.now(); },
      Escape: () => here()?.classList.remove("here"),
    };
    // Enter belongs to whatever has the focus; a row's own link has it after j and k.
    if (Object.hasOwn(acts, event.key)) { event.preventDefault(); acts[event.key](); }
  });
}
