// "5 min ago" stays true while the page is open. The words are those of the server: hub/web/console/rendering.py.
{
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const ago = (milliseconds) => {
    const distance = milliseconds / 1000;
    if (Math.abs(distance) < 1) return "just now";
    const [unit, size] = units.find(([, size]) => Math.abs(distance) >= size);
    const said = `${Math.floor(Math.abs(distance) / size)} ${unit}`;
    return distance > 0 ? `${said} ago` : `in ${said}`;
  };
  const refresh = () => {
    for (const time of document.querySelectorAll("time[data-ago]")) {
      const said = ago(Date.now() - Date.parse(time.dateTime));
      if (time.textContent !== said) time.textContent = said;
    }
  };
  setInterval(refresh, 10_000);
}
