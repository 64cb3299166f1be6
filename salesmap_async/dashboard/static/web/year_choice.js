// The year that a screen shows, kept in its address: without one it is the snapshot's.
"use strict";

const YearChoice = (() => {
  // onChoose(year or null). The list follows what the snapshot knows.
  function make(onChoose) {
    const list = Dom.el("select", {
      class: "field",
      "aria-label": "기준 연도",
      on: { change: () => onChoose(list.value || null) },
    });
    return Dom.el("label", { class: "year-choice" }, Dom.el("span", {}, "기준 연도"), list);
  }

  function show(root, chosen) {
    const { known_years: known = [], base_year: usual } = Snapshot.meta();
    const list = root.querySelector("select");
    const years = [...new Set([...known.map(String), ...(chosen ? [chosen] : [])])].sort().reverse();
    Dom.replace(
      list,
      years.map((year) =>
        Dom.el("option", { value: year === String(usual) ? "" : year }, `${year}년`),
      ),
    );
    list.value = chosen && chosen !== String(usual) ? chosen : "";
  }

  return { make, show };
})();
