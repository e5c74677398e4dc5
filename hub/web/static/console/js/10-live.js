// <div data-live="/console/…">: the server sends the part anew whenever it has changed.
{
  const follow = (element) => {
    const source = new EventSource(element.dataset.live);
    source.onmessage = (event) => {
      // What the reader is in the middle of is not taken from under their hands.
      if (element.contains(document.activeElement) && document.activeElement.matches("input, textarea, select")) return;
      const part = new DOMParser().parseFromString(event.data, "text/html").body;
      element.replaceChildren(...part.childNodes);
      if (element.querySelector("[data-live-end]")) source.close();
    };
    window.addEventListener("pagehide", () => source.close());
  };
  document.querySelectorAll("[data-live]").forEach(follow);
}
