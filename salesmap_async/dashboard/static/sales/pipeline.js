// Screen #pipeline: Won by month and year, open deals by stage, win rate by size.
"use strict";

class PipelineScreen {
  static ID = "pipeline";
  static SERIES = ["older", "previous", "base"];

  constructor() {
    this.title = "파이프라인 현황";
    this.year = null;
    this.yearChoice = YearChoice.make((year) => Route.go(PipelineScreen.ID, { year }));
    this.won = new Panel("연도별·월별 Won", { id: "won-chart" });
    this.open = new Panel("단계별 진행 중 딜", { id: "open-deals" });
    this.rates = new Panel("기업 규모별 수주율", { id: "win-rates" });
    this.root = Screen.frame(
      this.title,
      { actions: this.yearChoice },
      this.won.root,
      Dom.el("div", { class: "two-columns" }, this.open.root, this.rates.root),
    );
  }

  update({ year = null }) {
    YearChoice.show(this.yearChoice, year);
    if (this.isLoaded && this.year === year) return null;
    this.year = year;
    return this.refresh();
  }

  // One answer fills the three panels; the first one shows its loading and its failure.
  async refresh() {
    this.open.showLoading();
    this.rates.showLoading();
    const answer = await this.won.load(
      (signal) => Api.get("/pipeline", this.asked(), signal),
      (figures) => this.show(figures),
    );
    this.isLoaded = Boolean(answer);
    // The first panel says what went wrong, and how to go on.
    for (const panel of [this.open, this.rates]) panel.setHidden(!answer);
  }

  asked() {
    return { years: 3, base_year: this.year };
  }

  show(figures) {
    this.showWon(figures);
    this.showStages(figures);
    this.showRates(figures);
  }

  showWon(figures) {
    const { years, won_by_month: months, won_by_year: totals } = figures;
    const note = Lacking.note(figures, "won_count", "won_amount");
    if (totals.every(({ count }) => count === null)) return this.won.showLacking(note);
    const series = PipelineScreen.SERIES.slice(-years.length);
    const at = (year, month) =>
      months.find((each) => each.year === year && each.month === month) ?? { amount: 0, count: 0 };
    const groups = Array.from({ length: 12 }, (_, n) => n + 1).map((month) => ({
      label: `${month}월`,
      short: String(month),
      bars: years.map((year, place) => ({
        value: at(year, month).amount / 1e8,
        series: series[place],
        href: PipelineScreen.dealsOf(year, month),
        tip: `${year}년 ${month}월 ${Format.krw(at(year, month).amount)}, ${Format.count(at(year, month).count)}건`,
      })),
    }));
    const columns = [
      { label: "월", cell: (month) => `${month}월` },
      ...years.flatMap((year) => [
        {
          label: `${year} 금액`,
          numeric: true,
          cell: (month) => Format.krw(at(year, month).amount),
        },
        {
          label: `${year} 건수`,
          numeric: true,
          cell: (month) =>
            at(year, month).count
              ? Dom.el(
                  "a",
                  { href: PipelineScreen.dealsOf(year, month) },
                  Format.count(at(year, month).count),
                )
              : Format.count(at(year, month).count),
        },
      ]),
    ];
    this.won.setDownloads(Downloads.buttons("/pipeline", this.asked(), "won_by_month"));
    return this.won.show(
      note,
      PipelineScreen.yearFigures(figures),
      Charts.legend(years.map((year, place) => ({ series: series[place], text: `${year}년` }))),
      Charts.columns("월별 Won 금액", groups, { height: 280 }),
      Dom.el(
        "details",
        { class: "more-about" },
        Dom.el("summary", {}, "표로 보기"),
        new Table({ label: "월별 Won", columns, rows: groups.map((_, n) => n + 1) }).root,
      ),
    );
  }

  static dealsOf(year, month) {
    const two = (number) => String(number).padStart(2, "0");
    const last = new Date(Date.UTC(year, month, 0)).getUTCDate();
    return Route.hash(DealsScreen.ID, {
      state: "won",
      won_from: `${year}-${two(month)}-01`,
      won_to: `${year}-${two(month)}-${last}`,
    });
  }

  static yearFigures({ years, won_by_year: totals, compared }) {
    const of = (year) => totals.find((each) => each.year === year) ?? { amount: 0, count: 0 };
    const comparisonOf = (year) => compared.find((each) => each.year === year);
    return Dom.el(
      "dl",
      { class: "figures" },
      years.map((year) => {
        const { before, is_partial: isPartial } = comparisonOf(year);
        const change = before > 0 ? of(year).amount / before - 1 : null;
        const against = isPartial ? "전년 같은 날까지 대비" : "전년 대비";
        const notes = [
          `${Format.count(of(year).count)}건`,
          change === null ? null : `${against} ${change >= 0 ? "+" : ""}${Format.percent(change)}`,
        ];
        return Dom.el(
          "div",
          { class: "figure" },
          Dom.el("dt", {}, `${year}년 Won`),
          Dom.el(
            "dd",
            { class: "figure-value" },
            Dom.el(
              "a",
              {
                href: Route.hash(DealsScreen.ID, {
                  state: "won",
                  won_from: `${year}-01-01`,
                  won_to: `${year}-12-31`,
                }),
              },
              Format.krw(of(year).amount),
            ),
          ),
          Dom.el("dd", { class: "figure-note" }, notes.filter(Boolean).join(" · ")),
        );
      }),
    );
  }

  showStages(figures) {
    const stages = figures.open_by_stage;
    const note = Lacking.note(figures, "open_deals", "open_amount");
    if (!stages.length && note) return this.open.showLacking(note);
    if (!stages.length) return this.open.showEmpty("진행 중인 딜이 없습니다.");
    const most = Math.max(...stages.map((stage) => stage.count), 1);
    const columns = [
      { label: "파이프라인", cell: (stage) => Format.text(stage.pipeline) },
      { label: "단계", cell: (stage) => Format.text(stage.stage), className: "name" },
      {
        label: "그래프",
        cell: (stage) =>
          Charts.inline(stage.count / most, {
            tip: `${Format.text(stage.stage)} ${Format.count(stage.count)}건, ${Format.krw(stage.amount)}`,
          }),
        className: "bar-cell",
      },
      {
        label: "건수",
        numeric: true,
        cell: (stage) =>
          Dom.el(
            "a",
            {
              href: Route.hash(DealsScreen.ID, {
                state: "open",
                pipeline: stage.pipeline,
                stage: stage.stage,
              }),
            },
            Format.count(stage.count),
          ),
        total: (rows) => Format.count(Table.sum(rows, (row) => row.count)),
        value: (stage) => stage.count,
      },
      {
        label: "예상 체결액",
        numeric: true,
        cell: (stage) => Format.krw(stage.amount),
        total: (rows) => Format.krw(Table.sum(rows, (row) => row.amount)),
        value: (stage) => stage.amount,
      },
    ];
    this.open.setCount(`${Format.count(stages.reduce((sum, stage) => sum + stage.count, 0))}건`);
    this.open.setDownloads(Downloads.buttons("/pipeline", this.asked(), "open_by_stage"));
    return this.open.show(note, new Table({ label: "단계별 진행 중 딜", columns, rows: stages }).root);
  }

  static decided(label, state) {
    return {
      label,
      numeric: true,
      cell: (row) =>
        Dom.el(
          "a",
          { href: Route.hash(DealsScreen.ID, { state, size: row.size }) },
          Format.count(row[state]),
        ),
      value: (row) => row[state],
    };
  }

  showRates(figures) {
    const sizes = figures.win_rate_by_size;
    const note = Lacking.note(figures, "win_rates");
    if (note) return this.rates.showLacking(note);
    if (!sizes.length) return this.rates.showEmpty("끝난 딜이 없습니다.");
    const columns = [
      { label: "기업 규모", cell: (row) => Format.text(row.size), className: "name" },
      {
        label: "그래프",
        cell: (row) =>
          Charts.inline(row.rate ?? 0, {
            tip: `${Format.text(row.size)} ${Format.percent(row.rate)}`,
          }),
        className: "bar-cell",
      },
      { label: "수주율", numeric: true, cell: (row) => Format.percent(row.rate) },
      PipelineScreen.decided("Won", "won"),
      PipelineScreen.decided("Lost", "lost"),
    ];
    this.rates.setDownloads(Downloads.buttons("/pipeline", this.asked(), "win_rate_by_size"));
    return this.rates.show(
      new Table({ label: "기업 규모별 수주율", columns, rows: sizes }).root,
      Dom.el("p", { class: "hint" }, "수주율 = Won ÷ (Won + Lost), 건수 기준"),
    );
  }
}
