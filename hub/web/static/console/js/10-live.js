// <div data-live="/console/…">: the server sends the part anew whenever it has changed.
{
  const follow = (element) => {
    const source = new EventSource(element.dataset.live);
    source.onmessage = (event) => {
      // What the reader is in the middle of is not taken from under their hands.
      if (element.contains(document.activeElement) && document.activeElement.matches("input, textarea, select")) return;
      const part = new DOMParser().parseFromString(event.data, "text/html").body;
      element.replaceChildren(...part.childNodes);
      const end = element.querySelector("[data-live-end]");
      if (!end) return;
      source.close();
      // The rest of the page is loaded anew, too, unless its reader is writing something.
      if (end.dataset.liveEnd && !document.activeElement.matches("input, textarea, select")) location.replace(end.dataset.liveEnd);
    };
    window.addEventListener("pagehide", () => source.close());
  };
  document.querySelectorAll("[data-live]").forEach(follow);
}
