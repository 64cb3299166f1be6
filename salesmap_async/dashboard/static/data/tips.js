// The value of the chart's mark under the pointer, shown beside it.
"use strict";

(() => {
  const tip = Dom.el("div", { class: "tip", hidden: true, "aria-hidden": "true" });

  function follow(event) {
    const mark = event.target instanceof Element ? event.target.closest("[data-tip]") : null;
    const text = mark?.dataset.tip;
    tip.hidden = !text;
    if (!text) return;
    tip.textContent = text;
    const host = mark.closest("dialog") ?? document.body;
    if (tip.parentNode !== host) host.append(tip);
    place(event);
  }

  function place(event) {
    const { width, height } = tip.getBoundingClientRect();
    const left = Math.min(event.clientX + 12, window.innerWidth - width - 8);
    const above = event.clientY - height - 10;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${above < 8 ? event.clientY + 16 : above}px`;
  }

  document.addEventListener("pointermove", follow);
  document.addEventListener("pointerdown", follow);
})();
