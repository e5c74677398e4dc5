"use strict";
// Everything works without this file. It makes pages follow what happens, copies, and shows times as they pass.
document.documentElement.classList.add("scripted");
// What has just been done is said once: not again when the page is loaded anew, nor to whoever is sent its address.
{
  const address = new URL(location);
  if (address.searchParams.has("notice")) {
    address.searchParams.delete("notice");
    history.replaceState(null, "", address);
  }
}
// Where the side bar is a line, what is here is in sight.
for (const here of document.querySelectorAll(".side [aria-current]")) here.closest(".side").scrollLeft = here.offsetLeft - 40;
