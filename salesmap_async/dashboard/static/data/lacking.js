// Figures that are not there because the snapshot lacks a field: each says which one, in its place.
"use strict";

const Lacking = (() => {
  // What an answer says about these of its figures; null where they are all there.
  function note({ lacking = [] }, ...figures) {
    const own = lacking.filter(({ figure }) => figures.includes(figure));
    if (!own.length) return null;
    return Dom.el(
      "div",
      { class: "lacking" },
      own.map(({ text }) => Dom.el("p", { class: "lacking-line" }, text)),
    );
  }

  return { note };
})();
