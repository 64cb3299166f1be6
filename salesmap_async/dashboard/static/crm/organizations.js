// Screen #org-view: search, then organization > person > deal > memo.
"use strict";

class OrganizationsScreen {
  static ID = "org-view";

  constructor() {
    this.title = "조직/People/Deal 뷰어";
    const choose = (org) => Route.go(OrganizationsScreen.ID, { org, year: this.year });
    this.search = new OrgSearch({
      onChoose: choose,
      onFound: (answer, error) => this.showFound(answer, error),
    });
    this.year = null;
    this.yearChoice = YearChoice.make((year) =>
      Route.go(OrganizationsScreen.ID, { ...Route.read().params, year }),
    );
    this.details = new OrgDetails(OrganizationsScreen.ID);
    this.details.onHead = (organization) => this.showKnown(organization);
    this.trail = Dom.el("nav", { class: "trail", "aria-label": "선택 경로" });
    this.statePath = Dom.button("StatePath 보기", () => this.openStatePath(), {
      class: "button button-main",
      disabled: true,
    });
    this.reset = Dom.button("선택 초기화", () => this.clear(), { class: "button" });
    this.found = new Panel("조직 목록", { id: "found-panel" });
    this.found.showLoading();
    this.root = Screen.frame(
      this.title,
      { actions: [this.yearChoice, this.reset, this.statePath] },
      this.search.root,
      this.trail,
      this.found.root,
      this.details.root,
    );
    this.isStarted = false;
  }

  async update(params) {
    const { org = null, upper, person, deal, year = null } = params;
    YearChoice.show(this.yearChoice, year);
    const isOtherYear = this.year !== year;
    this.year = year;
    this.search.year = year;
    this.statePath.disabled = this.details.organization?.id !== org;
    this.found.root.hidden = Boolean(org);
    this.search.show(org ? { id: org, name: this.knownName(org) } : null);
    if (!this.isStarted) {
      this.isStarted = true;
      this.search.start();
    }
    if (isOtherYear) this.details.loaded = {};
    if (isOtherYear && this.search.items.length) this.search.list();
    const shown = this.details.update({ org, upper, person, deal }, year);
    this.showTrail();
    await shown;
    this.showTrail();
  }

  // Nothing is chosen by itself; the list says what there is.
  showFound(answer, error) {
    if (error) return this.found.showError(error, () => this.search.start());
    const { items, years } = answer;
    if (!items.length) return this.showNoneFound();
    const columns = [
      { label: "조직", cell: (item) => Format.text(item.name ?? item.id), className: "name" },
      {
        label: `${years.at(-1)} Won`,
        numeric: true,
        cell: (item) => Format.krw(answer.won[item.id]),
      },
      { label: "기업 규모", cell: (item) => Format.text(item.size) },
      { label: "팀", cell: (item) => Format.names(item.team) },
      { label: Snapshot.meta().own_side_owner_label, cell: (item) => Format.names(item.owner) },
    ];
    const note = Lacking.note(answer, "won_of_organization");
    this.found.setCount(
      `${note ? "이름 순" : "Won 금액 순"} ${Format.count(items.length)}개${items.length >= OrgSearch.LIMIT ? " (처음)" : ""}`,
    );
    this.found.setDownloads(Downloads.buttons("/orgs", this.search.asked()));
    return this.found.show(
      note,
      new Table({
        label: "조직 목록",
        columns,
        rows: items,
        key: (item) => item.id,
        onChoose: (item) => this.search.take(item.id),
        portion: 50,
      }).root,
    );
  }

  showNoneFound() {
    const { canWiden, size } = this.search;
    const text = canWiden ? `‘${size.value}’에서 찾은 조직이 없습니다.` : "찾은 조직이 없습니다.";
    const widen = () => this.search.widen();
    this.found.showEmpty(
      text,
      canWiden ? Dom.button("전체 규모에서 찾기", widen, { class: "button" }) : null,
    );
  }

  // null: the API does not know the organization of the address, or cannot be asked.
  showKnown(organization) {
    this.statePath.disabled = !organization;
    if (organization) this.search.show(organization);
    this.showTrail();
  }

  knownName(org) {
    return (
      this.search.items.find((item) => item.id === org)?.name ??
      (this.details.organization?.id === org ? this.details.organization.name : org)
    );
  }

  async refresh() {
    this.search.start();
    await this.details.refresh();
    this.showTrail();
  }

  leave() {
    this.details.leave();
  }

  showTrail() {
    const steps = this.details.trail();
    Dom.replace(
      this.trail,
      steps.map(({ text, params }, place) => {
        const isLast = place === steps.length - 1;
        return Dom.el(
          "a",
          {
            href: Route.hash(OrganizationsScreen.ID, params),
            "aria-current": isLast ? "location" : null,
          },
          text,
        );
      }),
    );
  }

  openStatePath() {
    const { org } = this.details.selection;
    if (org) StatePath.open(org, Format.text(this.knownName(org)), this.year);
  }

  clear() {
    this.search.clear();
    Route.go(OrganizationsScreen.ID, { year: this.year });
    this.search.list();
    this.search.input.focus();
  }
}
