// The dialog 이력 of one record: what the timeline knows of it, the newest first.
"use strict";

const Life = (() => {
  const WORDS = { known: "기록 시작 때부터 있음", new: "새로 생김", gone: "사라짐" };

  const IS_MOMENT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}/;

  const COLUMNS = [
    { label: "수집 시각", cell: (event) => Format.minute(event.at), className: "day" },
    { label: "무엇이", cell: (event) => event.field ?? WORDS[event.kind], className: "name" },
    { label: "이전", cell: (event) => value(event, "old"), className: "long" },
    { label: "이후", cell: (event) => value(event, "new"), className: "long" },
  ];

  function value(event, side) {
    return event.kind === "changed" ? Format.preview(written(event[side])) : "";
  }

  function written(raw) {
    if (Format.isNumber(raw)) return Format.count(raw);
    return IS_MOMENT.test(raw) ? Format.minute(raw) : parsed(raw);
  }

  // A related record came as JSON: its name is what people know it by.
  function parsed(raw) {
    if (typeof raw !== "string" || !/^[[{]/.test(raw)) return raw;
    try {
      return Format.names(JSON.parse(raw));
    } catch {
      return raw;
    }
  }

  function button(table, id, name) {
    return Dom.button("이력", () => open(table, id, name), {
      class: "small-button",
      "aria-label": `${Format.text(name)} 이력`,
    });
  }

  async function open(table, id, name) {
    const modal = Modal.show(`이력 · ${Format.text(name)}`, {
      className: "modal-wide",
      actions: [Downloads.buttons("/life", { table, id })],
    });
    const panel = new Panel("");
    panel.head.remove();
    Dom.replace(modal.body, panel.root);
    await panel.load(
      (signal) => Api.get("/life", { table, id }, signal),
      ({ items }) =>
        items.length
          ? panel.show(new Table({ label: "이력", columns: COLUMNS, rows: items }).root)
          : panel.showEmpty("변경 기록이 아직 없습니다. 다음 실행이 기록을 시작합니다."),
    );
  }

  return { button };
})();
