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

  function askForToken(onGiven) {
    const field = Dom.el("input", {
      type: "password",
      autocomplete: "off",
      "aria-label": "접근 토큰",
      class: "field",
    });
    const form = Dom.el(
      "form",
      {
        class: "token-form",
        on: {
          submit: (event) => {
            event.preventDefault();
            Api.keepToken(field.value.trim());
            hide("token");
            onGiven();
          },
        },
      },
      "API가 접근 토큰을 요구합니다.",
      field,
      Dom.el("button", { type: "submit", class: "button" }, "확인"),
    );
    show("token", "warning", form);
  }

  return { show, hide, askForToken };
})();
