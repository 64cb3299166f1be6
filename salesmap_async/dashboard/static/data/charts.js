// Charts as SVG, drawn at the width they have. Every mark has its value as a tip; the numbers of
// each chart also stand in a table beside it, which is what a screen reader is given.
"use strict";

const Charts = (() => {
  const MARGIN = { top: 22, right: 8, left: 46 };
  const NAME_HEIGHT = 26;
  const NOTE_HEIGHT = 16;
  const TIGHT = 36;

  // draw(width) -> svg; drawn again when the width changes.
  function drawn(label, draw) {
    const host = Dom.el("div", { class: "chart", role: "img", "aria-label": label });
    let width = 0;
    new ResizeObserver(([entry]) => {
      const next = Math.round(entry.contentRect.width);
      if (next === width || next === 0) return;
      width = next;
      Dom.replace(host, draw(width));
    }).observe(host);
    return host;
  }

  function canvas(width, height, ...children) {
    return Dom.svg(
      "svg",
      { viewBox: `0 0 ${width} ${height}`, class: "chart-canvas", "aria-hidden": "true" },
      children,
    );
  }

  function label(x, y, text, anchor = "middle", className = "tick") {
    return Dom.svg("text", { x, y, "text-anchor": anchor, class: className }, text);
  }

  // A round step that gives about `wanted` lines up to `highest`.
  function stepOf(highest, wanted = 5) {
    const rough = Math.max(highest, 1e-9) / wanted;
    const power = 10 ** Math.floor(Math.log10(rough));
    return [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= rough);
  }

  function axis(width, height, low, high, step, toY, write) {
    const lines = [];
    for (let value = Math.ceil(low / step) * step; value <= high + step / 1e6; value += step) {
      const y = toY(value);
      lines.push(
        Dom.svg("line", {
          x1: MARGIN.left,
          x2: width - MARGIN.right,
          y1: y,
          y2: y,
          class: Math.abs(value) < step / 1e6 ? "zero" : "grid",
        }),
      );
      lines.push(label(MARGIN.left - 8, y + 4, write(value), "end"));
    }
    return lines;
  }

  function tidy(value) {
    return String(Number(value.toFixed(4)));
  }

  // groups: [{label, short, note, bars: [{value, tip, text, series, href}]}]; values in 억. `short`
  // stands where the label finds no room; `href`: where a click leads, to the
  // list that the bar counts; the table beside a chart has the same links for the keyboard.
  function columns(name, groups, { height = 260 } = {}) {
    return drawn(name, (width) => drawColumns(groups, width, height));
  }

  function drawColumns(groups, width, height) {
    const values = groups.flatMap((group) => group.bars.map((bar) => bar.value));
    const step = stepOf(Math.max(...values, 0) - Math.min(...values, 0) || 1);
    const low = Math.floor(Math.min(...values, 0) / step) * step;
    const high = Math.max(Math.ceil(Math.max(...values, 0) / step) * step, low + step);
    const floor = height - NAME_HEIGHT - (groups.some((group) => group.note) ? NOTE_HEIGHT : 0);
    const toY = (value) => MARGIN.top + (floor - MARGIN.top) * (1 - (value - low) / (high - low));
    const band = (width - MARGIN.left - MARGIN.right) / groups.length;
    return canvas(
      width,
      height,
      axis(width, height, low, high, step, toY, tidy),
      label(MARGIN.left - 8, 11, "억", "end", "tick unit"),
      groups.map((group, place) => drawGroup(group, MARGIN.left + band * place, band, floor, toY)),
    );
  }

  function drawGroup(group, left, band, floor, toY) {
    const gap = Math.min(band * 0.28, 40);
    const thickness = Math.min((band - gap) / group.bars.length, 46);
    const start = left + (band - thickness * group.bars.length) / 2;
    const bars = group.bars.map((bar, place) =>
      drawBar(bar, start + thickness * place, thickness, toY),
    );
    const middle = left + band / 2;
    return Dom.svg(
      "g",
      {},
      bars,
      label(
        middle,
        floor + 17,
        band < TIGHT ? (group.short ?? group.label) : group.label,
        "middle",
        "tick name",
      ),
      group.note ? label(middle, floor + 33, group.note, "middle", "tick") : null,
    );
  }

  function drawBar(bar, x, thickness, toY) {
    const [top, bottom] = [toY(Math.max(bar.value, 0)), toY(Math.min(bar.value, 0))];
    const space = Math.min(2, thickness * 0.15);
    const lead = () => window.location.assign(bar.href);
    return Dom.svg(
      "g",
      {
        class: bar.href ? "mark leading" : "mark",
        data: { tip: bar.tip },
        on: bar.href ? { click: lead } : null,
      },
      Dom.svg("rect", {
        x,
        y: MARGIN.top,
        width: thickness,
        height: toY(0) - MARGIN.top,
        class: "touch",
      }),
      Dom.svg("rect", {
        x: x + space / 2,
        y: top,
        width: thickness - space,
        height: Math.max(bottom - top, bar.value ? 1.5 : 0),
        rx: Math.min(2, thickness / 4),
        class: `bar series-${bar.series}`,
      }),
      bar.text ? label(x + thickness / 2, top - 6, bar.text, "middle", "value") : null,
    );
  }

  // A bar in a table's cell: share 0..1 of the cell's width.
  function inline(share, { series = "base", tip = "" } = {}) {
    const length = Math.max(0, Math.min(1, share)) * 100;
    return Dom.svg(
      "svg",
      {
        viewBox: "0 0 100 10",
        preserveAspectRatio: "none",
        class: "inline-bar",
        "aria-hidden": "true",
        data: { tip },
      },
      Dom.svg("rect", { x: 0, y: 0, width: 100, height: 10, class: "rail" }),
      Dom.svg("rect", { x: 0, y: 0, width: length, height: 10, class: `bar series-${series}` }),
    );
  }

  // points: [{value, tip}], oldest first; scaled between their own smallest and largest.
  function trend(name, points, { height = 56 } = {}) {
    return drawn(name, (width) => drawTrend(points, width, height));
  }

  function drawTrend(points, width, height) {
    const values = points.map((point) => point.value);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const pad = 6;
    const toX = (place) =>
      points.length === 1 ? width / 2 : pad + (width - 2 * pad) * (place / (points.length - 1));
    const toY = (value) =>
      high === low
        ? height / 2
        : height - pad - (height - 2 * pad) * ((value - low) / (high - low));
    const path = points
      .map((point, place) => `${place ? "L" : "M"}${toX(place)} ${toY(point.value)}`)
      .join("");
    return canvas(
      width,
      height,
      Dom.svg("line", { x1: 0, x2: width, y1: height - 0.5, y2: height - 0.5, class: "grid" }),
      Dom.svg("path", { d: path, class: "trend-line" }),
      points.map((point, place) =>
        Dom.svg(
          "g",
          { class: "mark", data: { tip: point.tip } },
          Dom.svg("circle", { cx: toX(place), cy: toY(point.value), r: 12, class: "touch" }),
          Dom.svg("circle", {
            cx: toX(place),
            cy: toY(point.value),
            r: place === points.length - 1 ? 3.5 : 2,
            class: "trend-point",
          }),
        ),
      ),
    );
  }

  function legend(entries) {
    return Dom.el(
      "ul",
      { class: "legend" },
      entries.map(({ series, text }) =>
        Dom.el(
          "li",
          {},
          Dom.svg(
            "svg",
            { viewBox: "0 0 10 10", class: "swatch", "aria-hidden": "true" },
            Dom.svg("rect", { width: 10, height: 10, rx: 2, class: `bar series-${series}` }),
          ),
          text,
        ),
      ),
    );
  }

  return { columns, inline, trend, legend };
})();
