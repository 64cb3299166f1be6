// What one organization holds: its Won deals by upper organization, its people, their deals, the
// memos of each. It follows the address: org, upper, person, deal. The Won rows only filter the
// people: an organization without any Won deal shows its people too.
"use strict";

class OrgDetails {
  static NO_UPPER = "미입력";
  static NARROW = "(max-width: 640px)";

  constructor(screen) {
    this.screen = screen;
    this.turn = 0;
    this.forget();
    this.makePanels();
  }

  makePanels() {
    this.onlyWithDeals = Dom.el("input", {
      type: "checkbox",
      on: { change: () => this.showPeople() },
    });
    this.allPeople = Dom.button(
      "필터 해제",
      () => this.go({}),
      { class: "quiet-button", hidden: true },
    );
    this.head = new Panel("조직", { className: "panel-plain" });
    this.won = new Panel("상위 조직별 Won 요약", { id: "won-panel" });
    this.people = new Panel("People", {
      id: "people-panel",
      actions: [
        this.allPeople,
        Dom.el("label", { class: "check" }, this.onlyWithDeals, "Deal 있는 사람만"),
      ],
    });
    this.deals = new Panel("Deal", { id: "deals-panel" });
    this.orgMemos = new Panel("조직 메모", { id: "org-memos-panel" });
    this.personMemos = new Panel("사람 메모", { id: "person-memos-panel" });
    this.dealMemos = new Panel("Deal 메모", { id: "deal-memos-panel" });
    this.sections = Dom.el(
      "div",
      { class: "details-grid" },
      this.won.root,
      this.people.root,
      this.deals.root,
      this.personMemos.root,
      this.dealMemos.root,
      this.orgMemos.root,
    );
    this.root = Dom.el("div", { class: "details", hidden: true }, this.head.root, this.sections);
  }

  forget() {
    this.selection = {};
    this.loaded = {};
    this.leadsToPeople = false;
    this.peopleList = null;
    this.dealList = [];
    this.peopleReady = this.dealsReady = Promise.resolve();
  }

  // Follow the address. Returns when everything that is selected is shown or was overtaken.
  async update(selection, year = null) {
    this.year = year;
    const isFirst = !("org" in this.loaded) && Boolean(selection.person);
    const turn = ++this.turn;
    const isCurrent = () => turn === this.turn;
    this.selection = { ...selection };
    this.root.hidden = !selection.org;
    if (!selection.org) return this.forget();
    this.follow("org", () => this.openOrganization());
    await this.peopleReady;
    if (!isCurrent()) return;
    this.follow("upper", () => this.showPeople());
    this.leadOn();
    this.settle("person", this.selection.upper ? this.shownPeople()[0]?.id : null);
    this.follow("person", () => this.openPerson());
    await this.dealsReady;
    if (!isCurrent()) return;
    this.settle("deal", this.selection.person ? this.dealList[0]?.id : null);
    this.follow("deal", () => this.openDeal());
    if (isFirst) this.leadToSelected();
  }

  // A link to a person or a deal leads to its row.
  leadToSelected() {
    const { deal } = this.selection;
    this.peopleTable?.showChosen();
    this.dealTable?.showChosen();
    const table = deal ? this.dealTable : this.peopleTable;
    table?.lines.get(table.chosen)?.scrollIntoView({ block: "center" });
  }

  ofYear() {
    return { base_year: this.year };
  }

  // The screen is left: what still arrives must not touch the address of another one.
  leave() {
    this.turn += 1;
  }

  refresh() {
    this.loaded = {};
    return this.update(this.selection, this.year);
  }

  follow(level, open) {
    if (level in this.loaded && this.loaded[level] === this.selection[level]) return;
    this.loaded[level] = this.selection[level];
    open();
  }

  settle(level, id) {
    if (this.selection[level] || !id) return;
    this.selection[level] = id;
    Route.settle(this.screen, { ...this.selection, year: this.year });
  }

  openOrganization() {
    const path = `/orgs/${Api.part(this.selection.org)}`;
    const get = (rest) => (signal) => Api.get(`${path}${rest}`, {}, signal);
    this.loaded = { org: this.selection.org };
    this.sections.hidden = false;
    this.peopleList = null;
    this.peopleReady = this.people.load(get("/people"), (answer) => {
      this.peopleList = answer.items;
      this.peopleLacking = Lacking.note(answer, "deals_of_people");
      this.showPeople();
    });
    this.head
      .load(get(""), ({ item }) => this.showHead(item))
      .then((answer) => {
        if (!answer && this.head.body.querySelector(".failure")) this.showUnknown();
      });
    const won = (signal) => Api.get(`${path}/won-summary`, this.ofYear(), signal);
    this.won.load(won, (answer) => this.showWon(answer));
    Memos.load(this.orgMemos, `${path}/memos`, "조직에 직접 적은 메모가 없습니다.");
  }

  showUnknown() {
    this.organization = null;
    this.head.setTitle("조직");
    this.sections.hidden = true;
    this.onHead?.(null);
  }

  showHead(item) {
    this.organization = item;
    this.sections.hidden = false;
    this.head.setTitle(Format.text(item.name ?? item.id));
    const facts = [
      ["기업 규모", Format.text(item.size)],
      ["팀", Format.names(item.team)],
      [Snapshot.meta().own_side_owner_label, Format.names(item.owner)],
    ];
    this.head.show(
      Dom.el(
        "dl",
        { class: "facts facts-inline" },
        facts.map(([name, value]) => [Dom.el("dt", {}, name), Dom.el("dd", {}, value)]),
        [Dom.el("dt", {}, "이력"), Dom.el("dd", {}, Life.button("organization", item.id, item.name))],
        Snapshot.crmLink("organization", item.id)
          ? [
              Dom.el("dt", {}, "CRM"),
              Dom.el("dd", {}, Dom.outward("열기", Snapshot.crmLink("organization", item.id))),
            ]
          : null,
      ),
    );
    this.onHead?.(item);
  }

  showWon(answer) {
    const { items, years } = answer;
    const note = Lacking.note(answer, "won_deals", "won_amount", "upper_orgs");
    if (!items.length && note) return this.won.showLacking(note);
    if (!items.length) return this.won.showEmpty("Won 딜이 없습니다. 사람은 아래에 모두 있습니다.");
    this.wonTable = new Table({
      label: "상위 조직별 Won 요약",
      columns: OrgColumns.won(years, this.selection.org),
      rows: items,
      key: (row) => row.upper_org,
      chosen: this.selection.upper ?? null,
      onChoose: (row) => this.chooseUpper(row.upper_org),
    });
    this.won.setCount(`${Format.count(items.length)}개`);
    this.won.setDownloads(
      Downloads.buttons(`/orgs/${Api.part(this.selection.org)}/won-summary`, this.ofYear()),
    );
    return this.won.show(note, this.wonTable.root);
  }

  shownPeople() {
    const { upper } = this.selection;
    const inUpper = (person) =>
      !upper || (String(person.upper_org ?? "").trim() || OrgDetails.NO_UPPER) === upper;
    return (this.peopleList ?? []).filter(
      (person) => inUpper(person) && (!this.onlyWithDeals.checked || person.deal_count > 0),
    );
  }

  showPeople() {
    const { upper, person: chosen } = this.selection;
    this.loaded.upper = upper;
    this.wonTable?.choose(upper ?? null);
    this.allPeople.hidden = !upper;
    this.people.setTitle(upper ? `People · ${upper}` : "People");
    if (this.peopleList === null) return; // not answered, or failed: the panel says so itself
    const people = this.shownPeople();
    if (!people.length) {
      this.people.showEmpty(
        this.peopleList.length
          ? "조건에 맞는 사람이 없습니다."
          : "이 조직에 등록된 사람이 없습니다.",
      );
      return;
    }
    this.peopleTable = new Table({
      label: "People",
      columns: OrgColumns.PEOPLE,
      rows: people,
      key: (person) => person.id,
      chosen: chosen ?? null,
      portion: 100,
      onChoose: (person) => this.go({ upper, person: person.id }),
      className: "scrolling",
    });
    this.people.setCount(
      people.length === this.peopleList.length
        ? `${Format.count(people.length)}명`
        : `${Format.count(people.length)} / ${Format.count(this.peopleList.length)}명`,
    );
    this.people.setDownloads(Downloads.buttons(`/orgs/${Api.part(this.selection.org)}/people`));
    this.people.show(this.peopleLacking, this.peopleTable.root);
  }

  openPerson() {
    const { person } = this.selection;
    this.dealList = [];
    this.dealsReady = Promise.resolve();
    delete this.loaded.deal;
    this.peopleTable?.choose(person ?? null);
    if (!person) {
      this.deals.rest("사람을 선택하면 딜이 보입니다.");
      return this.personMemos.rest("사람을 선택하면 메모가 보입니다.");
    }
    const path = `/people/${Api.part(person)}`;
    this.dealsReady = this.deals.load(
      (signal) => Api.get(`${path}/deals`, {}, signal),
      (answer) => this.showDeals(answer),
    );
    return Memos.load(this.personMemos, `${path}/memos`, "이 사람의 메모가 없습니다.");
  }

  showDeals(answer) {
    const deals = answer.items;
    this.dealList = deals;
    const note = Lacking.note(answer, "deals_of_people");
    if (note) return this.deals.showLacking(note);
    if (!deals.length) return this.deals.showEmpty("이 사람의 딜이 없습니다.");
    const { upper, person, deal } = this.selection;
    this.dealTable = new Table({
      label: "Deal",
      columns: OrgColumns.DEALS,
      rows: deals,
      key: (row) => row.id,
      chosen: deal ?? null,
      onChoose: (row) => this.go({ upper, person, deal: row.id }),
      className: "scrolling",
    });
    this.deals.setCount(`${Format.count(deals.length)}건`);
    this.deals.setDownloads(Downloads.buttons(`/people/${Api.part(person)}/deals`));
    return this.deals.show(this.dealTable.root);
  }

  openDeal() {
    const { deal } = this.selection;
    this.dealTable?.choose(deal ?? null);
    if (!deal) return this.dealMemos.rest("딜을 선택하면 메모가 보입니다.");
    return Memos.load(this.dealMemos, `/deals/${Api.part(deal)}/memos`, "이 딜의 메모가 없습니다.");
  }

  go(selection) {
    return Route.go(this.screen, { org: this.selection.org, ...selection, year: this.year });
  }

  chooseUpper(upper) {
    this.leadsToPeople = window.matchMedia(OrgDetails.NARROW).matches;
    if (!this.go({ upper })) this.leadOn();
  }

  // On a narrow screen the people of the chosen row are far below it.
  leadOn() {
    if (!this.leadsToPeople) return;
    this.leadsToPeople = false;
    this.people.lead();
  }

  // The names on the way down to what is selected: [{text, params}].
  trail() {
    const { org, upper, person, deal } = this.selection;
    const year = this.year;
    const named = (list, id) => Format.text(list.find((each) => each.id === id)?.name ?? id);
    return [
      org
        ? {
            text: Format.text(this.organization?.id === org ? this.organization.name : org),
            params: { org, year },
          }
        : null,
      upper ? { text: upper, params: { org, upper, year } } : null,
      person ? { text: named(this.peopleList ?? [], person), params: { org, upper, person, year } } : null,
      deal ? { text: named(this.dealList, deal), params: { org, upper, person, deal, year } } : null,
    ].filter(Boolean);
  }
}
