// Screen #<team>-dealcheck: the open deals of one team, customers of this year apart from new ones.
"use strict";

class DealCheckScreen {
  static idOf(team) {
    return `${team.key}-dealcheck`;
  }

  constructor(team) {
    this.team = team;
    this.title = team.label;
    this.year = null;
    this.yearChoice = YearChoice.make((year) => Route.go(DealCheckScreen.idOf(team), { year }));
    this.pill = Dom.el("p", { class: "pill", role: "status" });
    this.warning = Dom.el("p", { class: "banner banner-warning", hidden: true });
    this.retention = new Panel("리텐션 고객", { id: "retention" });
    this.fresh = new Panel("신규 고객", { id: "fresh" });
    this.root = Screen.frame(
      this.title,
      { beside: this.pill, actions: this.yearChoice },
      this.warning,
      this.retention.root,
      this.fresh.root,
    );
  }

  update({ year = null }) {
    YearChoice.show(this.yearChoice, year);
    if (this.isLoaded && this.year === year) return null;
    this.year = year;
    return this.refresh();
  }

  async refresh() {
    this.fresh.showLoading();
    const path = `/deal-check/${Api.part(this.team.key)}`;
    const answer = await this.retention.load(
      (signal) => Api.get(path, { base_year: this.year }, signal),
      (found) => this.show(found),
    );
    this.isLoaded = Boolean(answer);
    if (answer) return;
    this.pill.textContent = "";
    this.fresh.setHidden(true); // the first panel says what went wrong, and how to go on
  }

  show(answer) {
    const { items, meta } = answer;
    this.fresh.root.hidden = false;
    this.warn(meta);
    if (Lacking.note(answer, "team_deals", "retention")) return this.showUndivided(answer);
    this.retention.setTitle("리텐션 고객");
    const [kept, fresh] = [
      items.filter((deal) => deal.isRetention),
      items.filter((deal) => !deal.isRetention),
    ];
    this.pill.textContent = `리텐션 ${Format.count(kept.length)}건 / 신규 ${Format.count(fresh.length)}건`;
    this.fill(this.retention, kept, meta?.base_year, DealCheckScreen.years(answer));
    this.fill(this.fresh, fresh, null);
  }

  // The snapshot cannot tell whose deals these are, or which customers bought before.
  showUndivided(answer) {
    const undecided = Lacking.note(answer, "team_deals");
    this.fresh.setHidden(true);
    this.retention.setTitle("진행 중인 딜");
    this.pill.textContent = undecided ? "" : `${Format.count(answer.items.length)}건`;
    if (undecided) return this.retention.showLacking(undecided);
    return this.fill(this.retention, answer.items, null, Lacking.note(answer, "retention"));
  }

  // In the first months of a year those who bought the year before are customers too.
  static years({ retention_years: years = [] }) {
    if (years.length < 2) return null;
    return Dom.el("p", { class: "hint" }, `${years.join("년, ")}년에 구매한 고객입니다.`);
  }

  warn(meta) {
    const warnings = meta?.warnings ?? [];
    const team = meta?.team?.crm_team ?? this.team.crm_team;
    const texts = warnings.map((warning) =>
      warning === "team_not_found"
        ? `CRM에서 팀을 찾지 못했습니다${team ? `: ${Format.names(team)}` : ""}. dashboard.toml의 팀 이름을 확인하세요. (team_not_found)`
        : warning,
    );
    this.warning.hidden = !texts.length;
    this.warning.textContent = texts.join(" · ");
  }

  fill(panel, deals, year, note = null) {
    if (!deals.length) {
      panel.showEmpty("해당하는 딜이 없습니다.");
      return panel.setCount("0건");
    }
    panel.setCount(`${Format.count(deals.length)}건`);
    panel.setDownloads(
      Downloads.buttons(`/deal-check/${Api.part(this.team.key)}`, { base_year: this.year }),
    );
    return panel.show(
      note,
      new Table({
        label: panel.title.textContent,
        columns: DealCheckScreen.columns(year),
        rows: deals,
        className: "dense one-line",
        portion: 50,
        isFolding: true,
      }).root,
    );
  }

  static columns(year) {
    const linked = (kind, id, text) => Dom.outward(Format.text(text), Snapshot.crmLink(kind, id));
    return [
      {
        label: "기업명",
        cell: (deal) => DealCheckScreen.organization(deal, year),
        className: "name",
      },
      { label: "소속 상위 조직", cell: (deal) => Format.text(deal.upperOrg) },
      { label: "팀(명함/메일서명)", cell: (deal) => Format.text(deal.teamSignature) },
      {
        label: "담당자",
        cell: (deal) => linked("people", deal.personId, deal.personName),
        className: "short",
      },
      { label: "생성 날짜", cell: (deal) => Format.shortDate(deal.createdAt), className: "day" },
      {
        label: "딜 이름",
        cell: (deal) => linked("deal", deal.dealId, deal.dealName),
        className: "name",
      },
      { label: "과정포맷", cell: (deal) => Format.text(deal.courseFormat) },
      { label: "파트", cell: (deal) => Format.text(deal.part) },
      { label: Snapshot.meta().own_side_owner_label, cell: (deal) => Format.names(deal.owners) },
      { label: "가능성", cell: (deal) => Format.likelihood(deal.probability) },
      {
        label: "수주 예정일",
        cell: (deal) => Format.shortDate(deal.expectedCloseDate),
        className: "day",
      },
      { label: "예상(억)", numeric: true, cell: (deal) => Format.krw(deal.expectedAmount) },
      { label: "메모", cell: (deal) => DealCheckScreen.memoButton(deal), className: "act" },
    ];
  }

  static organization(deal, year) {
    const name = Dom.outward(
      Format.text(deal.orgName),
      Snapshot.crmLink("organization", deal.orgId),
    );
    if (!year) return name;
    const won = Format.krw(deal[`orgWon${year}Total`]);
    return [name, Dom.el("span", { class: "cell-note" }, `${year} Won ${won}`)];
  }

  static memoButton(deal) {
    const hasMemos = deal.memoCount > 0;
    return Dom.button(hasMemos ? "메모 확인" : "메모 없음", () => Memos.openOfDeal(deal), {
      class: "small-button",
      disabled: !hasMemos,
    });
  }
}
