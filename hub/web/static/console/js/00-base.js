"use strict";
// Everything works without this file. It makes pages follow what happens, copies, and shows times as they pass.
document.documentElement.classList.add("scripted");
