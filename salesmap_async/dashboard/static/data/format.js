// How values are written. Money comes in KRW, except what already is in 억 (*_eok).
// Times come in ISO as the CRM stores them (UTC) and are shown as Seoul's calendar has them.
"use strict";

const Format = (() => {
  const NOTHING = "-";
  const NO_MONEY = "0.00억";
  const KRW_PER_EOK = 1e8;
  const SEOUL = "Asia/Seoul";
  const DAY = new Intl.DateTimeFormat("sv-SE", {
    timeZone: SEOUL,
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
  });
  const MINUTE = new Intl.DateTimeFormat("sv-SE", {
    timeZone: SEOUL,
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
  });
  const COUNT = new Intl.NumberFormat("ko-KR");
  const IS_DATED = /^\d{4}-\d{2}-\d{2}/;
  const HAS_ZONE = /(Z|[+-]\d{2}:?\d{2})$/;

  const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
  const isBlank = (value) => value === null || value === undefined || String(value).trim() === "";

  function eok(value) {
    return isNumber(value) ? krw(Math.round(value * KRW_PER_EOK)) : NOTHING;
  }

  // Where the unit stands beside, as on the axis of a chart.
  function eokFigure(value) {
    return eok(value).replace("억", "");
  }

  // Rounded from whole KRW, half away from zero: 1.005억 is 1.01억.
  function krw(value) {
    if (!isNumber(value)) return NOTHING;
    const hundredths = Math.round(Math.abs(value) / (KRW_PER_EOK / 100));
    const [whole, rest] = [Math.floor(hundredths / 100), String(hundredths % 100).padStart(2, "0")];
    return `${value < 0 && hundredths > 0 ? "-" : ""}${COUNT.format(whole)}.${rest}억`;
  }

  function moment(text) {
    const iso = String(text).trim().replace(" ", "T");
    const when = new Date(HAS_ZONE.test(iso) ? iso : `${iso}Z`);
    return Number.isNaN(when.getTime()) ? null : when;
  }

  // A text with a time of day is a moment; a bare date is a day already.
  function date(text) {
    if (isBlank(text)) return NOTHING;
    const raw = String(text).trim();
    if (!IS_DATED.test(raw)) return raw;
    if (raw.length <= 10) return raw;
    const when = moment(raw);
    return when ? DAY.format(when) : raw.slice(0, 10);
  }

  function shortDate(text) {
    const day = date(text);
    return IS_DATED.test(day) ? day.slice(2, 10).replaceAll("-", "") : day;
  }

  function minute(text) {
    const when = isBlank(text) ? null : moment(text);
    return when ? MINUTE.format(when) : NOTHING;
  }

  function count(value) {
    return isNumber(value) ? COUNT.format(value) : NOTHING;
  }

  function percent(ratio) {
    return isNumber(ratio) ? `${(ratio * 100).toFixed(1)}%` : NOTHING;
  }

  function duration(seconds) {
    if (!isNumber(seconds)) return NOTHING;
    if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)}초`;
    const minutes = Math.floor(seconds / 60);
    if (minutes < 60) return `${minutes}분 ${Math.round(seconds % 60)}초`;
    if (minutes < 48 * 60) return `${Math.floor(minutes / 60)}시간 ${minutes % 60}분`;
    return `${Math.floor(minutes / 60 / 24)}일`;
  }

  function bytes(value) {
    if (!isNumber(value)) return NOTHING;
    const step = Math.min(3, Math.floor(Math.log10(Math.max(1, value)) / 3));
    return `${(value / 1000 ** step).toFixed(step ? 1 : 0)} ${["B", "KB", "MB", "GB"][step]}`;
  }

  function text(value) {
    return isBlank(value) ? NOTHING : String(value);
  }

  // {"name"}, ["a", {"name"}], "a" -> "a, a"; the id where there is no name.
  function names(value, separator = ", ") {
    const list = (Array.isArray(value) ? value : [value]).map((each) =>
      each && typeof each === "object" ? (each.name ?? each.id) : each,
    );
    return text(list.filter((each) => !isBlank(each)).join(separator));
  }

  // `["높음"]` as text or as a list -> 높음
  function likelihood(raw) {
    if (typeof raw !== "string") return names(raw, "/");
    try {
      return names(JSON.parse(raw), "/");
    } catch {
      return text(raw);
    }
  }

  function memo(raw) {
    return isBlank(raw) ? "" : String(raw).replace(/<br\s*\/?>/gi, "\n");
  }

  function preview(raw, length = 140) {
    const line = memo(raw).replace(/\s+/g, " ").trim();
    const letters = Array.from(line);
    return letters.length > length ? `${letters.slice(0, length).join("")}…` : text(line);
  }

  return {
    NOTHING,
    NO_MONEY,
    eok,
    eokFigure,
    krw,
    date,
    shortDate,
    minute,
    count,
    percent,
    duration,
    bytes,
    text,
    names,
    likelihood,
    memo,
    preview,
    isNumber,
    isBlank,
  };
})();
