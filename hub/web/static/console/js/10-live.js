// <div data-live="/console/…">: the server sends the part anew whenever it has changed, while somebody can see it.
{
  const LOST = "This page no longer updates by itself: load it again to see how it stands.";
  const writing = () => document.activeElement.matches("input, textarea, select");

  // What scripts and readers have done to the page stays: the row one is at, what is folded out, and the focus. A link or
  // a form never becomes another one, so that no click goes where nobody aimed.
  const THEIRS = ["class", "open", "tabindex"];
  const alike = (old, made) =>
    old.nodeType === Node.ELEMENT_NODE && old.nodeName === made.nodeName &&
    ["href", "action"].every((name) => old.getAttribute(name) === made.getAttribute(name));
  const merge = (parent, now, next) => {
    next.forEach((made, at) => {
      const old = now[at];
      if (!old) parent.append(made);
      else if (alike(old, made)) mend(old, made);
      else if (!old.isEqualNode(made)) old.replaceWith(made);
    });
    now.slice(next.length).forEach((old) => old.remove());
  };
  const mend = (old, made) => {
    if (old.isEqualNode(made)) return;
    for (const { name } of [...old.attributes]) if (!made.hasAttribute(name) && !THEIRS.includes(name)) old.removeAttribute(name);
    for (const { name, value } of made.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    merge(old, [...old.childNodes], [...made.childNodes]);
  };

  const show = (element, html) => {
    // What the reader is in the middle of is not taken from under their hands.
    if (element.contains(document.activeElement) && writing()) return false;
    const part = new DOMParser().parseFromString(html, "text/html").body;
    merge(element, [...element.children], [...part.children]);
    const end = element.querySelector("[data-live-end]");
    // The rest of the page is loaded anew, too, unless its reader is writing something.
    if (end?.dataset.liveEnd && !writing()) location.replace(end.dataset.liveEnd);
    return end !== null;
  };

  const follow = (element) => {
    let source = null;
    // There from the start: what comes together with its words is not read out reliably.
    const note = document.createElement("p");
    note.className = "soft";
    note.role = "status";
    element.before(note);
    const stop = () => source?.close();
    const over = () => {
      stop();
      document.removeEventListener("visibilitychange", turn);
    };
    const lost = (text) => {
      over();
      note.textContent = text;
    };
    const start = () => {
      source = new EventSource(element.dataset.live);
      source.onmessage = (event) => {
        if (show(element, event.data)) over();
      };
      // Why there is no more to come: too many pages are followed, or the reader is logged out.
      source.addEventListener("note", (event) => lost(event.data));
      source.onerror = () => {
        if (source.readyState === EventSource.CLOSED) lost(LOST);
      };
    };
    // A browser has few connections to a host: a page that nobody sees keeps none.
    const turn = () => (document.hidden ? stop() : start());
    document.addEventListener("visibilitychange", turn);
    window.addEventListener("pagehide", stop);
    if (!document.hidden) start();
  };
  document.querySelectorAll("[data-live]").forEach(follow);
}
