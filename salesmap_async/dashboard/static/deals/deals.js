// Screen #deals: every deal, filtered, summed and sorted; and the same by colleague.
"use strict";

class DealsScreen {
  static ID = "deals";
  static PORTION = 50;
  static ALL = 10_000;
  static FILTERS = [
    "state", "owner", "team", "pipeline", "stage", "status", "size", "organization", "person",
    "without", "text", "close_from", "close_to", "created_from", "created_to", "won_from",
    "won_to", "overdue", "stale", "stale_days",
  ];

  constructor() {
    this.title = "딜";
    this.params = {};
    this.filters = new DealFilters((changed) => this.go(changed));
    this.views = Dom.el("div", { class: "segments", role: "group", "aria-label": "보기" });
    this.year = YearChoice.make((year) => this.go({ year }));
    this.sums = new Panel("합계", { id: "deal-sums" });
    this.list = new Panel("딜 목록", { id: "deal-list" });
    this.owners = new Panel("담당자별", { id: "deal-owners" });
    this.root = Screen.frame(
      this.title,
      { actions: [this.year, this.views] },
      this.filters.root,
      this.sums.root,
      this.list.root,
      this.owners.root,
    );
  }

  // null: everything that is set is cleared.
  go(changed) {
    const { view, year } = this.params;
    const kept = changed === null ? { view, year } : { ...this.params, ...changed };
    if (changed && !("page" in changed)) delete kept.page;
    Route.go(DealsScreen.ID, kept);
  }

  update(params) {
    if (this.isLoaded && JSON.stringify(params) === JSON.stringify(this.params)) return null;
    this.params = params;
    return this.refresh();
  }

  async refresh() {
    const isByOwner = this.params.view === "owners";
    this.showViews(isByOwner);
    YearChoice.show(this.year, this.params.year);
    this.year.hidden = !isByOwner;
    this.filters.show(this.params);
    this.filters.root.hidden = this.sums.root.hidden = this.list.root.hidden = isByOwner;
    this.owners.root.hidden = !isByOwner;
    const found = isByOwner ? await this.loadOwners() : await this.loadList();
    this.isLoaded = Boolean(found);
  }

  showViews(isByOwner) {
    Dom.replace(
      this.views,
      [
        ["목록", null, !isByOwner],
        ["담당자별", "owners", isByOwner],
      ].map(([label, view, isChosen]) =>
        Dom.button(label, () => this.go({ view }), {
          class: "button",
          "aria-pressed": String(isChosen),
        }),
      ),
    );
  }

  asked() {
    const { min_eok: min, max_eok: max, sort, order } = this.params;
    const krw = (eok) => (Format.isBlank(eok) ? null : Math.round(Number(eok) * 1e8));
    const filters = Object.fromEntries(
      DealsScreen.FILTERS.map((name) => [name, this.params[name]]).filter(([, value]) => value),
    );
    return { ...filters, min_worth: krw(min), max_worth: krw(max), sort, order };
  }

  async loadList() {
    this.sums.showLoading();
    this.loadChoices();
    const isAll = this.params.page === "all";
    const page = isAll ? 1 : Number(this.params.page ?? 1);
    const limit = isAll ? DealsScreen.ALL : DealsScreen.PORTION;
    const found = await this.list.load(
      (signal) => Api.get("/deals", { ...this.asked(), limit, offset: (page - 1) * limit }, signal),
      (answer) => this.showList(answer, page, isAll),
    );
    this.sums.setHidden(!found);
    return found;
  }

  async loadChoices() {
    if (this.hasChoices) return;
    try {
      this.filters.showChoices(await Api.get("/deal-choices"));
      this.hasChoices = true;
    } catch (error) {
      if (!(error instanceof ApiError)) console.error(error);
    }
  }

  showList(answer, page, isAll) {
    const { items, sums } = answer;
    this.showSums(answer);
    const note = Lacking.note(answer, "open_deals", "open_amount", "won_total", "owners", "overdue");
    if (!items.length) {
      this.list.showEmpty(sums.count ? "이 쪽에는 딜이 없습니다." : "조건에 맞는 딜이 없습니다.");
      return;
    }
    const sort = this.params.sort ?? "expected_close";
    const columns = DealsScreen.columns();
    const sorted = columns.find((column) => column.sort === sort);
    this.list.setCount(`${Format.count(sums.count)}건`);
    this.list.setDownloads(Downloads.buttons("/deals", this.asked()));
    this.list.show(
      note,
      new Table({
        label: "딜 목록",
        columns,
        rows: items,
        portion: items.length,
        className: "dense one-line",
        sorted: sorted ? { column: sorted.label, order: this.params.order ?? "asc" } : null,
        onSort: (column) => this.sortBy(column),
        isFolding: true,
      }).root,
      this.pages(sums.count, page, isAll),
    );
  }

  sortBy({ sort, numeric }) {
    const isAgain = (this.params.sort ?? "expected_close") === sort;
    const order = isAgain && (this.params.order ?? "asc") === "asc" ? "desc" : "asc";
    this.go({ sort, order: !isAgain && numeric ? "desc" : order });
  }

  pages(count, page, isAll) {
    const last = Math.ceil(count / DealsScreen.PORTION);
    if (last <= 1) return null;
    const step = (label, next, isOff) =>
      Dom.button(label, () => this.go({ page: next === 1 ? null : String(next) }), {
        class: "button",
        disabled: isOff,
      });
    if (isAll) return Dom.el("nav", { class: "pages" }, step("쪽으로 나누기", 1, false));
    return Dom.el(
      "nav",
      { class: "pages", "aria-label": "쪽" },
      step("이전", page - 1, page <= 1),
      Dom.el("span", {}, `${Format.count(page)} / ${Format.count(last)}쪽`),
      step("다음", page + 1, page >= last),
      count <= DealsScreen.ALL
        ? Dom.button("모두 보기", () => this.go({ page: "all" }), { class: "quiet-button" })
        : null,
    );
  }

  showSums({ sums, stale_days: days }) {
    const figure = (label, count, krw, changed, note = "") =>
      Dom.el(
        "div",
        { class: "figure" },
        Dom.el("dt", {}, label),
        Dom.el(
          "dd",
          { class: "figure-value" },
          changed ? this.link(Format.count(count), changed) : Format.count(count),
          "건",
        ),
        Dom.el("dd", { class: "figure-note" }, krw === null ? note : Format.krw(krw)),
      );
    this.sums.show(
      Dom.el(
        "dl",
        { class: "figures figures-small" },
        figure("찾은 딜", sums.count, sums.worth, null),
        figure("진행 중", sums.open_count, sums.open_worth, { state: "open" }),
        figure("Won", sums.won_count, sums.won_worth, { state: "won" }),
        figure("예정일 지남", sums.overdue, null, { overdue: "true" }, "진행 중인 딜"),
        figure("오래 멈춤", sums.stale, null, { stale: "true" }, `${days}일 넘게 변화 없음`),
      ),
    );
  }

  link(text, changed) {
    const { page: _page, ...kept } = this.params;
    return Dom.el("a", { href: Route.hash(DealsScreen.ID, { ...kept, ...changed }) }, text);
  }

  static columns() {
    const inner = (text, params) =>
      params.org
        ? Dom.el("a", { href: Route.hash(OrganizationsScreen.ID, params) }, Format.text(text))
        : Format.text(text);
    return [
      {
        label: "딜 이름",
        sort: "name",
        cell: (deal) => DealsScreen.dealName(deal),
        className: "name",
      },
      {
        label: "표시",
        cell: (deal) => [
          deal.is_overdue ? DealsScreen.mark("지남", "예정일이 지났습니다", "problem") : null,
          deal.is_stale ? DealsScreen.mark("멈춤", "오래 변화가 없습니다", "warning") : null,
        ],
        className: "marks",
      },
      {
        label: "조직",
        sort: "organization",
        cell: (deal) =>
          inner(deal.organization ?? deal.organization_id, { org: deal.organization_id }),
      },
      {
        label: "사람",
        sort: "person",
        cell: (deal) =>
          inner(deal.person ?? deal.person_id, {
            org: deal.person_id ? deal.organization_of_person : null,
            person: deal.person_id,
          }),
        className: "short",
      },
      {
        label: Snapshot.meta().own_side_owner_label,
        sort: "owners",
        cell: (deal) => Format.text(deal.owners),
        className: "short",
      },
      { label: "팀", sort: "teams", cell: (deal) => Format.text(deal.teams) },
      {
        label: "상태",
        sort: "status",
        cell: (deal) =>
          Dom.el(
            "span",
            { class: "status", data: { status: Format.text(deal.status) } },
            Format.text(deal.status),
          ),
      },
      {
        label: "단계",
        sort: "stage",
        cell: (deal) =>
          deal.pipeline === "-"
            ? Format.text(deal.stage)
            : `${Format.text(deal.pipeline)} · ${Format.text(deal.stage)}`,
      },
      { label: "금액(억)", sort: "worth", numeric: true, cell: (deal) => Format.krw(deal.worth) },
      {
        label: "수주 예정일",
        sort: "expected_close",
        cell: (deal) => Format.text(deal.expected_close),
        className: "day",
      },
      {
        label: "생성일",
        sort: "created",
        cell: (deal) => Format.text(deal.created),
        className: "day",
      },
      {
        label: "계약 체결일",
        sort: "contract",
        cell: (deal) => Format.text(deal.contract),
        className: "day",
      },
      {
        label: "마지막 활동",
        sort: "active_on",
        cell: (deal) => Format.text(deal.active_on),
        className: "day",
      },
      { label: "이력", cell: (deal) => Life.button("deal", deal.id, deal.name), className: "act" },
    ];
  }

  // In the organization screen a deal is reached through its person.
  static dealName(deal) {
    const name = Format.text(deal.name ?? deal.id);
    if (deal.organization_of_person) {
      const params = { org: deal.organization_of_person, person: deal.person_id, deal: deal.id };
      return Dom.el("a", { href: Route.hash(OrganizationsScreen.ID, params) }, name);
    }
    return Dom.outward(name, Snapshot.crmLink("deal", deal.id));
  }

  static mark(text, meaning, kind) {
    return Dom.el("span", { class: `badge badge-${kind} deal-mark`, title: meaning }, text);
  }

  loadOwners() {
    const { year, stale_days: days } = this.params;
    const params = { base_year: year, stale_days: days };
    return this.owners.load(
      (signal) => Api.get("/deal-owners", params, signal),
      (answer) => this.showOwners(answer, params),
    );
  }

  showOwners(answer, params) {
    const { items, year } = answer;
    const note = Lacking.note(
      answer,
      "owners",
      "open_deals",
      "open_amount",
      "won_amount",
      "overdue",
    );
    if (!items.length) {
      this.owners.showEmpty("딜이 없습니다.");
      return;
    }
    this.owners.setCount(`${Format.count(items.length)}명`);
    this.owners.setDownloads(Downloads.buttons("/deal-owners", params));
    this.owners.show(
      note,
      new Table({
        label: "담당자별",
        columns: DealsScreen.ownerColumns(year, answer.today),
        rows: items,
        className: "one-line",
      }).root,
    );
  }

  static ownerColumns(year, today) {
    const led = (text, line, filters) =>
      Dom.el("a", { href: Route.hash(DealsScreen.ID, { owner: line.owner, ...filters }) }, text);
    const until = today.startsWith(String(year)) ? today : `${year}-12-31`;
    const won = { state: "won", won_from: `${year}-01-01`, won_to: until };
    const linked = (write) => (label, field, filters) => ({
      label,
      numeric: true,
      cell: (line) => (line[field] ? led(write(line[field]), line, filters) : write(line[field])),
      total: (lines) => write(Table.sum(lines, (line) => line[field])),
      value: (line) => line[field],
    });
    const [count, krw] = [linked(Format.count), linked(Format.krw)];
    return [
      { label: "담당자", cell: (line) => led(line.owner, line, {}), className: "name" },
      count("진행 중", "open_count", { state: "open" }),
      krw("진행 중(억)", "open_worth", { state: "open" }),
      count(`${year} Won`, "won_count", won),
      krw(`${year} Won(억)`, "won_worth", won),
      count("예정일 지남", "overdue", { overdue: "true" }),
      count("오래 멈춤", "stale", { stale: "true" }),
      {
        label: "다음 수주 예정",
        cell: (line) =>
          line.next_closings.length
            ? line.next_closings.map((deal) =>
                Dom.el(
                  "span",
                  { class: "closing" },
                  led(
                    `${deal.expected_close} ${Format.text(deal.name)} ${Format.krw(deal.worth)}`,
                    line,
                    {
                      state: "open",
                      close_from: deal.expected_close,
                      close_to: deal.expected_close,
                    },
                  ),
                ),
              )
            : Format.NOTHING,
        className: "long",
      },
    ];
  }
}
