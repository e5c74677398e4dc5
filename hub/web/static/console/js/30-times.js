// "5 min ago" stays true while the page is open. The words are those of the server: hub/web/console/rendering.py.
{
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const ago = (milliseconds) => {
    const distance = milliseconds / 1000;
    if (Math.abs(distance) < 1) return "just now";
    if (distance > 0) {
      const [unit, size] = units.find(([, size]) => distance >= size);
      return `${Math.floor(distance / size)} ${unit} ago`;
    }
    // To the nearest.
    const [unit, size] = units.find(([, size], at) => -distance >= size - (units[at + 1]?.[1] ?? size) / 2);
    return `in ${Math.floor(-distance / size + 0.5)} ${unit}`;
  };
  const refresh = () => {
    for (const time of document.querySelectorAll("time[data-ago]")) {
      const said = ago(Date.now() - Date.parse(time.dateTime));
      if (time.textContent !== said) time.textContent = said;
    }
  };
  setInterval(refresh, 10_000);
}
