// Screen #snapshot-ops: which snapshot this is, the last runs, how the tables grew, what a failed
// run left behind, the backups. It only shows; nothing is started from here.
"use strict";

class OperationsScreen {
  static ID = "snapshot-ops";
  static STATUS = {
    published: ["ok", "완료"],
    failed: ["problem", "실패"],
    kept_aside: ["warning", "교체 대기"],
    refused: ["warning", "거부됨"],
    interrupted: ["warning", "중단"],
    started: ["none", "진행 중"],
    running: ["none", "진행 중"],
    killed: ["problem", "강제 종료"],
  };
  static KINDS = { full: "전체", webforms: "웹폼만", webform_only: "웹폼만", webform: "웹폼만" };
  static SIGNS = { ok: "정상", warning: "주의", problem: "문제", none: "없음" };

  constructor() {
    this.title = "스냅샷 운영";
    this.facts = new Panel("현재 스냅샷", { id: "snapshot-facts" });
    this.checklist = new Panel("실패 후 점검", { id: "checklist" });
    this.runs = new Panel("최근 실행", { id: "runs" });
    this.growth = new Panel("테이블별 행 수 추이", { id: "growth" });
    this.tables = new Panel("테이블", { id: "tables" });
    this.backups = new Panel("백업", { id: "backups" });
    const note = Dom.el(
      "p",
      { class: "screen-note" },
      "보기만 합니다. 실행은 명령줄에서 합니다.",
    );
    this.root = Screen.frame(
      this.title,
      { beside: note },
      this.facts.root,
      this.runs.root,
      Dom.el("div", { class: "two-columns" }, this.checklist.root, this.backups.root),
      this.growth.root,
      this.tables.root,
    );
  }

  update() {
    return this.refresh();
  }

  refresh() {
    const ask =
      (path, params = {}) =>
      (signal) =>
        Api.get(path, params, signal);
    this.growth.showLoading();
    return Promise.all([
      this.facts.load(ask("/meta"), ({ snapshot }) => this.showFacts(snapshot)),
      this.runs.load(ask("/runs", { limit: 30 }), (answer) => this.showRuns(answer)),
      this.checklist.load(ask("/checklist"), (answer) => this.showChecklist(answer)),
      this.backups.load(ask("/backups"), ({ items }) => this.showBackups(items)),
      this.tables
        .load(ask("/tables"), (answer) => this.showTables(answer))
        .then((answer) => {
          this.growth.setHidden(!answer); // what went wrong stands at the tables
        }),
    ]);
  }

  showFacts(snapshot) {
    if (!snapshot) return this.facts.showEmpty("스냅샷 정보가 없습니다.");
    const figure = (name, value, note = "") =>
      Dom.el(
        "div",
        { class: "figure" },
        Dom.el("dt", {}, name),
        Dom.el("dd", { class: "figure-value" }, value),
        Dom.el("dd", { class: "figure-note" }, note),
      );
    return this.facts.show(
      Dom.el(
        "dl",
        { class: "figures" },
        figure(
          "수집 시각",
          Format.minute(snapshot.captured_at_utc),
          `${Format.duration(snapshot.age_s)} 전`,
        ),
        figure("전체 행", Format.count(snapshot.rows_total), Format.text(snapshot.workspace_name)),
        figure("파일 크기", Format.bytes(snapshot.size_bytes), Format.text(snapshot.file)),
        figure(
          "Run tag",
          Format.text(snapshot.run_tag),
          `게시 ${Format.minute(snapshot.published_at)}`,
        ),
      ),
    );
  }

  showRuns({ items, running }) {
    if (!items.length) return this.runs.showEmpty("기록된 실행이 없습니다.");
    const columns = [
      { label: "Run tag", cell: (run) => Format.text(run.run_tag), className: "name tag" },
      {
        label: "상태",
        cell: (run) =>
          OperationsScreen.badge(
            ...(OperationsScreen.STATUS[run.status] ?? ["none", Format.text(run.status)]),
          ),
      },
      { label: "종류", cell: (run) => OperationsScreen.KINDS[run.kind] ?? Format.text(run.kind) },
      { label: "시작", cell: (run) => Format.minute(run.started_at), className: "day" },
      { label: "걸린 시간", numeric: true, cell: (run) => Format.duration(run.seconds) },
      { label: "행", numeric: true, cell: (run) => Format.count(run.rows) },
      { label: "요청", numeric: true, cell: (run) => Format.count(run.requests) },
      { label: "429", numeric: true, cell: (run) => Format.count(run.refusals) },
      { label: "오류", cell: (run) => Format.text(run.error), className: "long" },
    ];
    this.runs.setDownloads(Downloads.buttons("/runs"));
    this.runs.setCount(running ? "지금 실행 중" : `${Format.count(items.length)}건`);
    return this.runs.show(
      new Table({ label: "최근 실행", columns, rows: items, portion: 15 }).root,
    );
  }

  static badge(kind, text) {
    return Dom.el("span", { class: `badge badge-${kind}` }, text);
  }

  showChecklist({ run, items, advice }) {
    this.checklist.setCount(Format.isBlank(run?.run_tag) ? "" : run.run_tag);
    const list = Dom.el(
      "ul",
      { class: "checklist" },
      items.map((item) =>
        Dom.el(
          "li",
          { class: "check-item" },
          OperationsScreen.badge(item.state, OperationsScreen.SIGNS[item.state] ?? item.state),
          Dom.el(
            "div",
            {},
            Dom.el("p", { class: "check-label" }, Format.text(item.label)),
            (item.lines ?? []).map((line) => Dom.el("p", { class: "check-line" }, line)),
          ),
        ),
      ),
    );
    this.checklist.show(list, OperationsScreen.advice(advice));
  }

  static advice(advice) {
    if (!advice?.why && !advice?.command) return null;
    return Dom.el(
      "div",
      { class: "advice" },
      advice.why ? Dom.el("p", {}, advice.why) : null,
      advice.command ? Dom.el("code", { class: "command" }, advice.command) : null,
    );
  }

  showBackups(items) {
    if (!items.length) return this.backups.showEmpty("백업이 없습니다.");
    const columns = [
      { label: "파일", cell: (backup) => Format.text(backup.name), className: "name tag" },
      {
        label: "수집 시각",
        cell: (backup) => Format.minute(backup.captured_at_utc),
        className: "day",
      },
      { label: "크기", numeric: true, cell: (backup) => Format.bytes(backup.size_bytes) },
      { label: "문제", cell: (backup) => Format.text(backup.problem) },
    ];
    this.backups.setDownloads(Downloads.buttons("/backups"));
    this.backups.setCount(`${Format.count(items.length)}개`);
    return this.backups.show(new Table({ label: "백업", columns, rows: items, portion: 10 }).root);
  }

  showTables({ items, history }) {
    this.showGrowth(items, history);
    if (!items.length) return this.tables.showEmpty("테이블이 없습니다.");
    const number = (label, field) => ({
      label,
      numeric: true,
      cell: (table) => Format.count(table[field]),
    });
    const columns = [
      { label: "테이블", cell: (table) => Format.text(table.table), className: "tag" },
      { label: "API", cell: (table) => Format.text(table.endpoint), className: "tag" },
      number("행", "rows"),
      number("열", "columns"),
      number("페이지", "pages"),
      number("중복", "duplicates"),
      number("고친 값", "repaired"),
      { label: "오류", cell: (table) => Format.names(table.errors), className: "long" },
    ];
    this.tables.setDownloads(Downloads.buttons("/tables"));
    return this.tables.show(new Table({ label: "테이블", columns, rows: items }).root);
  }

  showGrowth(items, history) {
    if (!history.length) return this.growth.showEmpty("게시된 실행의 기록이 없습니다.");
    this.growth.setCount(`${Format.count(history.length)}회`);
    const names = items
      .map((item) => item.table)
      .filter((name) => history.some((run) => name in run.rows));
    return this.growth.show(
      Dom.el(
        "div",
        { class: "small-charts" },
        names.map((name) => OperationsScreen.growthOf(name, history)),
      ),
    );
  }

  static growthOf(name, history) {
    const points = history
      .filter((run) => Format.isNumber(run.rows[name]))
      .map((run) => ({
        value: run.rows[name],
        tip: `${name} ${Format.count(run.rows[name])}행 · ${Format.minute(run.ended_at)}`,
      }));
    const [last, before] = [points.at(-1)?.value, points.at(-2)?.value];
    const change = last - before;
    return Dom.el(
      "figure",
      { class: "small-chart" },
      Dom.el(
        "figcaption",
        {},
        Dom.el("span", { class: "small-chart-name" }, name),
        Dom.el("span", { class: "small-chart-value" }, Format.count(last)),
        Dom.el(
          "span",
          { class: "small-chart-change" },
          change
            ? `${change > 0 ? "+" : "−"}${Format.count(Math.abs(change))}`
            : points.length > 1
              ? "변화 없음"
              : "첫 기록",
        ),
      ),
      Charts.trend(
        `${name} 행 수: ${points.map((point) => Format.count(point.value)).join(", ")}`,
        points,
      ),
    );
  }
}
