// Screen #changes: what happened to the deals between two states of the timeline.
"use strict";

class ChangesScreen {
  static ID = "changes";
  static SPANS = [
    ["yesterday", "어제부터"],
    ["week", "7일"],
    ["month", "이번 달"],
  ];
  static KINDS = [
    ["new", "신규 딜"],
    ["won", "Won"],
    ["lost", "Lost"],
    ["moved on", "단계 전진"],
    ["moved back", "단계 후퇴"],
    ["amount up", "금액 증가"],
    ["amount down", "금액 감소"],
    ["new owner", "담당자 변경"],
    ["gone", "사라진 딜"],
  ];
  static TABLES = { organization: "조직", people: "People", deal: "Deal", lead: "리드", memo: "메모" };

  constructor() {
    this.title = "변경";
    this.params = {};
    this.spans = Dom.el("div", { class: "segments", role: "group", "aria-label": "기간" });
    this.old = this.chooser("이전 시점", "old");
    this.new = this.chooser("이후 시점", "new");
    this.owner = this.chooser("담당자", "owner");
    this.team = this.chooser("팀", "team");
    this.cards = new Panel("요약", { id: "change-cards" });
    this.sums = new Panel("시점별 합계", { id: "change-sums" });
    this.lists = Dom.el("div", { class: "change-lists" });
    this.tables = new Panel("표별 변경", { id: "change-tables" });
    this.root = Screen.frame(
      this.title,
      { actions: this.spans },
      Dom.el(
        "div",
        { class: "change-filters" },
        [this.old, this.new, this.owner, this.team].map((each) => each.root),
      ),
      this.cards.root,
      this.lists,
      this.sums.root,
      this.tables.root,
    );
  }

  // A labelled list of choices; a choice is a step in the address.
  chooser(label, name) {
    const id = `changes-${name}`;
    const list = Dom.el("select", {
      class: "field",
      id,
      on: { change: () => this.go({ [name]: list.value }) },
    });
    return { list, root: Dom.el("div", { class: "labelled" }, Dom.el("label", { for: id }, label), list) };
  }

  go(changed) {
    Route.go(ChangesScreen.ID, { ...this.params, ...changed });
  }

  update(params) {
    const { since, old, new: later, owner, team } = params;
    const wanted = { since: since ?? "yesterday", old, new: later, owner, team };
    if (this.isLoaded && JSON.stringify(wanted) === JSON.stringify(this.params)) return null;
    this.params = wanted;
    return this.refresh();
  }

  async refresh() {
    this.showSpans();
    this.tables.showLoading();
    const [found] = await Promise.all([
      this.cards.load(
        (signal) => Api.get("/changes", this.params, signal),
        (changes) => this.show(changes),
      ),
      this.sums.load(
        (signal) => Api.get("/timeline", {}, signal),
        (timeline) => this.showTimeline(timeline),
      ),
    ]);
    this.isLoaded = Boolean(found);
    this.tables.setHidden(!found); // what went wrong stands at the summary
    if (!found) Dom.replace(this.lists);
  }

  showSpans() {
    const isChosen = (span) => !this.params.old && this.params.since === span;
    Dom.replace(
      this.spans,
      ChangesScreen.SPANS.map(([span, label]) =>
        Dom.button(label, () => this.go({ since: span, old: null, new: null }), {
          class: "button",
          "aria-pressed": String(isChosen(span)),
        }),
      ),
    );
  }

  show(changes) {
    this.offer(this.owner.list, "전체", changes.owners, this.params.owner);
    this.offer(this.team.list, "전체", changes.teams, this.params.team);
    if (!changes.old) {
      Dom.replace(this.lists);
      this.tables.showEmpty("비교할 이전 시점이 없습니다.");
      return this.cards.showEmpty(
        changes.new
          ? "첫 스냅샷에는 어제가 없습니다. 다음 실행부터 달라진 것이 여기에 보입니다."
          : "변경 기록이 아직 없습니다. 다음 실행이 기록을 시작합니다.",
      );
    }
    this.cards.setDownloads(Downloads.buttons("/changes", this.params, "events"));
    this.cards.setCount(
      `${Format.minute(changes.old.at)} → ${Format.minute(changes.new.at)}${changes.is_first ? " (가장 오래된 기록부터)" : ""}`,
    );
    this.showCards(changes);
    this.showLists(changes);
    return this.showTables(changes.tables);
  }

  showCards({ kinds }) {
    const of = (kind) => kinds.find((each) => each.kind === kind) ?? { count: 0, amount_krw: 0 };
    this.cards.show(
      Dom.el(
        "dl",
        { class: "figures figures-small" },
        ChangesScreen.KINDS.map(([kind, label]) =>
          Dom.el(
            "div",
            { class: "figure", data: { kind } },
            Dom.el("dt", {}, label),
            Dom.el("dd", { class: "figure-value" }, `${Format.count(of(kind).count)}건`),
            Dom.el("dd", { class: "figure-note" }, Format.krw(of(kind).amount_krw)),
          ),
        ),
      ),
    );
  }

  showLists({ events, left_out: leftOut }) {
    const panels = ChangesScreen.KINDS.map(([kind, label]) => {
      const own = events.filter((event) => event.kind === kind);
      if (!own.length) return null;
      const panel = new Panel(label, { id: `change-${kind.replace(" ", "-")}` });
      panel.setCount(`${Format.count(own.length)}건`);
      panel.show(
        new Table({ label, columns: ChangesScreen.columns(kind), rows: own, portion: 20 }).root,
      );
      return panel.root;
    });
    const none = Dom.el("p", { class: "hint" }, "이 기간에 딜에서 달라진 것이 없습니다.");
    const more = Dom.el("p", { class: "hint" }, `큰 것부터 보여 줍니다. ${Format.count(leftOut)}건은 생략했습니다.`);
    Dom.replace(this.lists, events.length ? panels : none, leftOut ? more : null);
  }

  static columns(kind) {
    const hasSides = !["new", "gone"].includes(kind);
    return [
      { label: "딜", cell: (event) => ChangesScreen.dealLink(event), className: "name" },
      { label: "조직", cell: (event) => Format.text(event.organization) },
      { label: "담당자", cell: (event) => Format.text(event.owner), className: "short" },
      ...(hasSides
        ? [
            { label: "이전", cell: (event) => Format.text(event.old) },
            { label: "이후", cell: (event) => Format.text(event.new) },
          ]
        : []),
      { label: "금액(억)", numeric: true, cell: (event) => Format.krw(event.amount_krw) },
      {
        label: "이력",
        cell: (event) => Life.button("deal", event.deal_id, event.name),
        className: "act",
      },
    ];
  }

  static dealLink(event) {
    const name = Format.text(event.name ?? event.deal_id);
    if (event.kind === "gone" || !event.organization_id || !event.person_id) return name;
    const selection = {
      org: event.organization_id,
      person: event.person_id,
      deal: event.deal_id,
    };
    return Dom.el("a", { href: Route.hash(OrganizationsScreen.ID, selection) }, name);
  }

  showTables(tables) {
    if (!tables.length) return this.tables.showEmpty("달라진 표가 없습니다.");
    const count = (label, field) => ({
      label,
      numeric: true,
      cell: (row) => Format.count(row[field]),
    });
    const columns = [
      { label: "표", cell: (row) => ChangesScreen.TABLES[row.table] ?? row.table, className: "name" },
      count("새로 생김", "new"),
      count("사라짐", "gone"),
      count("바뀜", "changed"),
    ];
    this.tables.setDownloads(Downloads.buttons("/changes", this.params, "tables"));
    return this.tables.show(new Table({ label: "표별 변경", columns, rows: tables }).root);
  }

  showTimeline({ states, sums }) {
    const named = states.map((state) => [state.run_tag, Format.minute(state.at)]).reverse();
    this.offer(this.old.list, "기간으로", named, this.params.old);
    this.offer(this.new.list, "최신", named, this.params.new);
    if (sums.length < 2) return this.sums.showEmpty("기록이 둘 이상 쌓이면 추이가 보입니다.");
    const trend = (field, label) =>
      Dom.el(
        "figure",
        { class: "small-chart" },
        Dom.el("figcaption", {}, `${label} ${Format.krw(sums.at(-1)[field])}`),
        Charts.trend(
          label,
          sums.map((each) => ({
            value: each[field],
            tip: `${Format.minute(each.at)} ${Format.krw(each[field])}`,
          })),
          { height: 90 },
        ),
      );
    const columns = [
      { label: "수집 시각", cell: (row) => Format.minute(row.at), className: "day" },
      { label: "진행 중", numeric: true, cell: (row) => Format.krw(row.open_krw) },
      { label: "Won", numeric: true, cell: (row) => Format.krw(row.won_krw) },
    ];
    this.sums.setDownloads(Downloads.buttons("/timeline", {}, "sums"));
    this.sums.setCount(`${Format.count(sums.length)}개 시점`);
    return this.sums.show(
      Dom.el("div", { class: "small-charts" }, trend("open_krw", "진행 중 합계"), trend("won_krw", "Won 합계")),
      Dom.el(
        "details",
        { class: "more-about" },
        Dom.el("summary", {}, "표로 보기"),
        new Table({ label: "시점별 합계", columns, rows: [...sums].reverse(), portion: 60 }).root,
      ),
    );
  }

  // `choices`: values, or [value, label]; what the address names is among them even if gone.
  offer(list, everything, choices, chosen) {
    const options = choices.map((each) => (Array.isArray(each) ? each : [each, each]));
    if (chosen && !options.some(([value]) => value === chosen)) options.unshift([chosen, chosen]);
    Dom.replace(
      list,
      Dom.el("option", { value: "" }, everything),
      options.map(([value, label]) => Dom.el("option", { value }, label)),
    );
    list.value = chosen ?? "";
  }
}
