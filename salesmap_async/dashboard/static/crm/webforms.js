// Which forms a person has sent, and when: one row per day and form.
"use strict";

const Webforms = (() => {
  const COLUMNS = [
    { label: "날짜", cell: (form) => Format.text(form.date), className: "day" },
    { label: "웹폼", cell: (form) => Format.text(form.name), className: "long" },
  ];

  function countOf(person) {
    return person.webform_count ?? person.webforms?.length ?? 0;
  }

  function button(person) {
    const hasForms = countOf(person) > 0;
    return Dom.button(hasForms ? "내역 확인" : "없음", () => open(person), {
      class: "small-button",
      disabled: !hasForms,
    });
  }

  function open(person) {
    const modal = Modal.show(`웹폼 내역 · ${Format.text(person.name)}`, {
      className: "modal-reading",
      actions: [Downloads.buttons(`/people/${Api.part(person.id)}/webforms`)],
    });
    const panel = new Panel("");
    panel.head.remove();
    Dom.replace(modal.body, panel.root);
    return panel.load(
      (signal) => Api.get(`/people/${Api.part(person.id)}/webforms`, {}, signal),
      ({ items }) => {
        if (!items.length) return panel.showEmpty("제출한 웹폼이 없습니다.");
        return panel.show(new Table({ label: "웹폼 내역", columns: COLUMNS, rows: items }).root);
      },
    );
  }

  return { button };
})();
