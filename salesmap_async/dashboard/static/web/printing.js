// On paper a table has all its rows, not the first portion of them.
"use strict";

window.addEventListener("beforeprint", () => {
  for (const more of document.querySelectorAll(".table-block .more"))
    while (!more.hidden) more.click();
});
