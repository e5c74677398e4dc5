// Rows of a list: [data-select] are their check boxes, [data-select-all] ticks them all, [data-selected] says how many.
{
  const boxes = () => [...document.querySelectorAll("[data-select]")];
  const refresh = () => {
    const ticked = boxes().filter((box) => box.checked);
    boxes().forEach((box) => box.closest("tr").classList.toggle("chosen", box.checked));
    const all = document.querySelector("[data-select-all]");
    if (all) {
      all.checked = ticked.length > 0 && ticked.length === boxes().length;
      all.indeterminate = ticked.length > 0 && !all.checked;
    }
    const told = document.querySelector("[data-selected]");
    if (told) told.textContent = `${ticked.length || "nothing"} selected`;
  };
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-select-all]")) boxes().forEach((box) => { box.checked = event.target.checked; });
    if (event.target.matches("[data-select], [data-select-all]")) refresh();
  });
  // A page that the browser brings back keeps its ticks.
  window.addEventListener("pageshow", refresh);
}
