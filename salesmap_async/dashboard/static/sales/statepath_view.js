// The four blocks of a StatePath, in words that need no manual. Amounts come in 억 and stay so.
"use strict";

const StatePathView = (() => {
  const CELLS = ["HRD_ONLINE", "HRD_OFFLINE", "BU_ONLINE", "BU_OFFLINE"];
  const CELL_NAMES = {
    HRD_ONLINE: "HRD 온라인",
    HRD_OFFLINE: "HRD 오프라인",
    BU_ONLINE: "BU 온라인",
    BU_OFFLINE: "BU 오프라인",
  };
  const EVENTS = {
    OPEN: "신규 진입",
    CLOSE: "거래 종료",
    SCALE_UP: "확대",
    SCALE_DOWN: "축소",
    COMPANY_SCALE_CHANGE: "회사 전체 등급 변화",
    RAIL_SCALE_CHANGE: "채널 등급 변화",
  };
  const SEEDS = {
    "H→B": "HRD에서 시작해 현업(BU)으로 퍼졌습니다",
    "B→H": "현업(BU)에서 시작해 HRD로 퍼졌습니다",
    SIMUL: "HRD와 현업(BU)이 같은 해에 시작했습니다",
    NONE: "올해 새로 번진 흐름은 없습니다",
  };
  const OBJECTIVES = { RETENTION: "유지·회복", OPEN: "새 영역 진입", SCALE_UP: "규모 확대" };
  const RAILS = { ONLINE: "온라인", OFFLINE: "오프라인" };
  const FLAGS = [
    ["no_won_amount", "두 해 모두 Won 금액이 없습니다."],
    ["org_summary_mismatch", "조직 합계와 5% 넘게 차이 납니다."],
  ];
  const SCALES = [
    ["회사 전체", ["0 이하", "0.1 미만", "0.1", "0.25", "0.5", "1", "2", "10"]],
    ["온라인·오프라인·각 셀", ["0 이하", "0.05 미만", "0.05", "0.125", "0.25", "0.5", "1", "5"]],
  ];
  const BUCKETS = ["Ø", "P5", "P4", "P3", "P2", "P1", "P0", "S0"];

  function blocks(item) {
    const years = Object.keys(item.year_states).sort();
    return [
      headline(item, years),
      notes(item.qa),
      summary(item, years),
      cells(item, years),
      path(item),
      recommendations(item, years),
      scales(),
    ];
  }

  const withBucket = (amount, bucket) => `${Format.eok(amount)} (${bucket})`;
  const cellName = (cell) => CELL_NAMES[cell] ?? Format.text(cell);

  function block(title, ...children) {
    return Dom.el("section", { class: "block" }, Dom.el("h3", {}, title), children);
  }

  function headline(item, [before, after]) {
    const [was, is] = [item.year_states[before], item.year_states[after]];
    const change = is.total_eok - was.total_eok;
    const word = change > 0 ? "늘었습니다" : change < 0 ? "줄었습니다" : "그대로입니다";
    return Dom.el(
      "p",
      { class: "headline" },
      `${before}년 ${withBucket(was.total_eok, was.bucket)}에서 ${after}년 `,
      Dom.el("strong", {}, withBucket(is.total_eok, is.bucket)),
      change === 0 ? "으로 그대로입니다." : `으로 ${Format.eok(Math.abs(change))} ${word}.`,
    );
  }

  function notes(qa) {
    const lines = (qa?.flags ?? []).map(
      (flag) => FLAGS.find(([start]) => flag.startsWith(start))?.[1] ?? flag,
    );
    const { deals = 0, amount_krw: amount = 0 } = qa?.no_person ?? {};
    if (deals > 0) {
      lines.push(
        `이 조직의 사람과 이어지지 않은 Won ${Format.count(deals)}건, ${Format.krw(amount)}은 ‘미입력’(BU)에 넣었습니다.`,
      );
    }
    return lines.map((line) => Dom.el("p", { class: "note" }, line));
  }

  function summary(item, years) {
    const columns = [
      { label: "연도", cell: (state) => String(state.year) },
      { label: "총액", numeric: true, cell: (state) => withBucket(state.total_eok, state.bucket) },
      {
        label: "온라인",
        numeric: true,
        cell: (state) => withBucket(state.online_eok, state.bucket_online),
      },
      {
        label: "오프라인",
        numeric: true,
        cell: (state) => withBucket(state.offline_eok, state.bucket_offline),
      },
      { label: "HRD", numeric: true, cell: (state) => Format.eok(state.hrd_eok) },
      { label: "BU", numeric: true, cell: (state) => Format.eok(state.bu_eok) },
    ];
    const rows = years.map((year) => item.year_states[year]);
    return block("연도별 요약", new Table({ label: "연도별 요약", columns, rows }).root);
  }

  function cells(item, years) {
    const of = (year, cell) => item.year_states[year].cells[cell];
    const series = ["previous", "base"];
    const groups = CELLS.map((cell) => ({
      label: cellName(cell),
      note: `${of(years[0], cell).bucket} → ${of(years[1], cell).bucket}`,
      bars: years.map((year, place) => ({
        value: of(year, cell).amt_eok,
        series: series[place],
        text: Format.eokFigure(of(year, cell).amt_eok),
        tip: `${cellName(cell)} ${year}년 ${withBucket(of(year, cell).amt_eok, of(year, cell).bucket)}`,
      })),
    }));
    const columns = [
      { label: "셀", cell: cellName },
      ...years.map((year) => ({
        label: year,
        numeric: true,
        cell: (cell) => withBucket(of(year, cell).amt_eok, of(year, cell).bucket),
      })),
    ];
    return block(
      "4셀 비교",
      Dom.el(
        "p",
        { class: "hint" },
        "누가 샀는가(HRD: 인사·교육 조직, BU: 현업)와 어떻게 배우는가(온라인, 오프라인)로 나눈 네 칸입니다.",
      ),
      Charts.legend(years.map((year, place) => ({ series: series[place], text: `${year}년` }))),
      Charts.columns(`네 칸의 ${years.join("년과 ")}년 금액`, groups, { height: 240 }),
      new Table({ label: "4셀 비교", columns, rows: CELLS }).root,
    );
  }

  function path({ path_2024_to_2025: usual, ...rest }) {
    const found = usual ?? Object.entries(rest).find(([name]) => name.startsWith("path_"))?.[1];
    const events = found?.events ?? [];
    return block(
      `Path 이벤트 · Seed ${found?.seed ?? "NONE"}`,
      Dom.el("p", { class: "hint" }, `${SEEDS[found?.seed] ?? SEEDS.NONE}.`),
      events.length
        ? Dom.el("ol", { class: "events" }, events.map(eventLine))
        : Dom.el("p", { class: "empty" }, "변화 없음"),
    );
  }

  function eventLine(event) {
    const where = event.cell ? cellName(event.cell) : (RAILS[event.rail] ?? event.rail);
    return Dom.el(
      "li",
      { class: "event" },
      Dom.el("span", { class: "code" }, event.type),
      Dom.el(
        "span",
        { class: "event-text" },
        [EVENTS[event.type] ?? "", where].filter(Boolean).join(" · "),
      ),
      Dom.el("span", { class: "event-step" }, `${event.from} → ${event.to}`),
    );
  }

  function recommendations({ ops_reco: reco }, years) {
    const amount = (row, year) => row[`amt_${year}_eok`];
    const columns = [
      { label: "랭크", cell: (row) => row.rank },
      { label: "상위 조직", cell: (row) => Format.text(row.upper_org), className: "long" },
      { label: "Lane", cell: (row) => Format.text(row.lane) },
      ...years.map((year) => ({
        label: year,
        numeric: true,
        cell: (row) => Format.eok(amount(row, year)),
      })),
    ];
    const rows = reco.target_counterparties ?? [];
    return block(
      "추천",
      Dom.el(
        "dl",
        { class: "facts" },
        Dom.el("dt", {}, "다음 목표"),
        Dom.el(
          "dd",
          {},
          `${OBJECTIVES[reco.next_objective_type] ?? ""} `,
          Dom.el("span", { class: "code" }, reco.next_objective_type),
        ),
        Dom.el("dt", {}, "목표 셀"),
        Dom.el(
          "dd",
          {},
          `${cellName(reco.next_target_cell)} `,
          Dom.el("span", { class: "code" }, reco.next_target_cell),
        ),
      ),
      rows.length
        ? new Table({ label: "만날 상대", columns, rows }).root
        : Dom.el("p", { class: "empty" }, "만날 상대를 고를 거래가 없습니다."),
      plays(reco.action_play_top3 ?? []),
    );
  }

  function plays(list) {
    if (!list.length) return Dom.el("p", { class: "hint" }, "변화가 없어 제안할 행동이 없습니다.");
    return Dom.el(
      "ul",
      { class: "plays" },
      list.map((play) =>
        Dom.el("li", {}, Dom.el("span", { class: "code" }, play.type), ` ${play.text}`),
      ),
    );
  }

  function scales() {
    const columns = [
      { label: "등급 (억, 이상)", cell: ([name]) => name },
      ...BUCKETS.map((bucket, place) => ({
        label: bucket,
        numeric: true,
        cell: ([, bounds]) => bounds[place],
      })),
    ];
    return Dom.el(
      "details",
      { class: "block more-about" },
      Dom.el("summary", {}, "등급 기준 보기"),
      new Table({ label: "등급 기준", columns, rows: SCALES }).root,
    );
  }

  return { blocks };
})();
