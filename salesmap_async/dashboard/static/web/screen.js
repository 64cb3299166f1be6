// The frame that all screens share: a heading with what stands beside it, and the parts below.
"use strict";

const Screen = (() => {
  // beside: follows the heading; actions: stand at the right end of its line.
  function frame(title, { beside = null, actions = null }, ...parts) {
    return Dom.el(
      "div",
      { class: "screen" },
      Dom.el(
        "header",
        { class: "screen-head" },
        Dom.el("h1", {}, title),
        beside,
        actions ? Dom.el("div", { class: "screen-actions" }, actions) : null,
      ),
      parts,
    );
  }

  return { frame };
})();
