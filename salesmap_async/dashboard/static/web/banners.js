// What concerns the whole page: API out of reach, an old snapshot, a new one. One line per matter.
"use strict";

const Banners = (() => {
  const shown = new Map();

  // kind: problem | warning | news
  function show(matter, kind, ...content) {
    const banner = Dom.el(
      "div",
      { class: `banner banner-${kind}`, data: { matter } },
      Dom.el("div", { class: "banner-content" }, content),
      kind === "news" ? Dom.button("닫기", () => hide(matter), { class: "quiet-button" }) : null,
    );
    if (shown.has(matter)) {
      shown.get(matter).replaceWith(banner);
    } else {
      document.getElementById("banners").append(banner);
    }
    shown.set(matter, banner);
  }

  function hide(matter) {
    shown.get(matter)?.remove();
    shown.delete(matter);
  }

  return { show, hide };
})();
