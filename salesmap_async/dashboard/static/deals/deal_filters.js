// The filters above the list of deals. What is set stands in the address; an empty one is not there.
"use strict";

class DealFilters {
  static STATES = [
    ["all", "전체"],
    ["open", "진행 중"],
    ["won", "Won"],
    ["lost", "Lost"],
    ["decided", "끝난 딜"],
  ];
  static WITHOUT = [
    ["", "연결"],
    ["organization", "조직 없음"],
    ["person", "사람 없음"],
  ];
  // Filters that links set and that have no field of their own: they are shown as marks.
  static MARKS = {
    size: "기업 규모",
    organization: "조직",
    person: "사람",
    won_from: "계약 체결일부터",
    won_to: "계약 체결일까지",
  };

  // onChange({name: value}): a step in the address.
  constructor(onChange) {
    this.onChange = onChange;
    this.fields = {};
    const choose = (name, label) => this.field(name, label, Dom.el("select", { class: "field" }));
    const write = (name, label, type, properties = {}) =>
      this.field(name, label, Dom.el("input", { class: "field", type, ...properties }));
    this.marks = Dom.el("div", { class: "filter-marks" });
    this.more = Dom.el(
      "details",
      { class: "more-filters" },
      Dom.el("summary", {}, "더 보기"),
      Dom.el(
        "div",
        { class: "filter-grid" },
        choose("team", "팀"),
        choose("status", "상태 값"),
        choose("without", "연결"),
        write("min_eok", "금액(억) 이상", "number", { step: "0.1" }),
        write("max_eok", "금액(억) 이하", "number", { step: "0.1" }),
        write("close_from", "예정일 시작", "date"),
        write("close_to", "예정일 끝", "date"),
        write("created_from", "생성일 시작", "date"),
        write("created_to", "생성일 끝", "date"),
        write("stale_days", "멈춤 기준(일)", "number", { min: 1, max: 36500, placeholder: "30" }),
      ),
    );
    this.root = Dom.el(
      "section",
      { class: "deal-filters panel", "aria-label": "딜 찾기" },
      Dom.el(
        "div",
        { class: "filter-grid" },
        write("text", "이름에서 찾기", "search", { placeholder: "딜, 조직, 사람" }),
        choose("state", "진행"),
        choose("owner", "담당자"),
        choose("stage", "단계"),
        this.check("overdue", "예정일 지남"),
        this.check("stale", "오래 멈춤"),
        Dom.button("모두 지우기", () => onChange(null), { class: "button" }),
      ),
      this.more,
      this.marks,
    );
    this.offer("state", DealFilters.STATES);
    this.offer("without", DealFilters.WITHOUT);
  }

  field(name, label, input) {
    input.id = `deals-${name}`;
    input.addEventListener("change", () => this.changed(name, input.value));
    this.fields[name] = input;
    return Dom.el("div", { class: "labelled" }, Dom.el("label", { for: input.id }, label), input);
  }

  check(name, label) {
    const input = Dom.el("input", {
      type: "checkbox",
      on: { change: () => this.onChange({ [name]: input.checked ? "true" : null }) },
    });
    this.fields[name] = input;
    return Dom.el("label", { class: "check" }, input, label);
  }

  changed(name, value) {
    if (name === "stage") {
      const [pipeline, stage] = value ? JSON.parse(value) : [null, null];
      return this.onChange({ pipeline, stage });
    }
    return this.onChange({ [name]: name === "state" && value === "all" ? null : value || null });
  }

  offer(name, choices) {
    const list = this.fields[name];
    const before = list.value;
    Dom.replace(
      list,
      choices.map(([value, label]) => Dom.el("option", { value }, label)),
    );
    list.value = before;
  }

  // choices: what the API says that the filters may be set to.
  showChoices({ owners, teams, stages, statuses }) {
    const named = (names) => [["", "전체"], ...names.map((name) => [name, name])];
    this.offer("owner", named(owners));
    this.offer("team", named(teams));
    this.offer("status", named(statuses));
    this.offer("stage", [
      ["", "전체"],
      ...stages.map(({ pipeline, stage }) => [
        JSON.stringify([pipeline, stage]),
        pipeline === "-" ? stage : `${pipeline} · ${stage}`,
      ]),
    ]);
    this.show(this.params ?? {});
  }

  show(params) {
    this.params = params;
    for (const [name, input] of Object.entries(this.fields)) {
      if (input.type === "checkbox") input.checked = params[name] === "true";
      else if (input !== document.activeElement) this.set(name, input, params);
    }
    if (["team", "status", "without", "min_eok", "max_eok"].some((name) => params[name]))
      this.more.open = true;
    this.showMarks(params);
  }

  set(name, input, params) {
    const value =
      name === "stage" && params.stage
        ? JSON.stringify([params.pipeline ?? "-", params.stage])
        : (params[name] ?? (name === "state" ? "all" : ""));
    if (input instanceof HTMLSelectElement && ![...input.options].some((o) => o.value === value))
      input.append(Dom.el("option", { value }, name === "stage" ? params.stage : value));
    input.value = value;
  }

  showMarks(params) {
    Dom.replace(
      this.marks,
      Object.entries(DealFilters.MARKS)
        .filter(([name]) => params[name])
        .map(([name, label]) =>
          Dom.el(
            "span",
            { class: "filter-mark" },
            `${label}: ${params[`${name}_name`] ?? params[name]} `,
            Dom.button("지우기", () => this.onChange({ [name]: null }), { class: "quiet-button" }),
          ),
        ),
    );
  }
}
