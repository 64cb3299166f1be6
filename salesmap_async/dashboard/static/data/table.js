// Tables: numbers to the right, rows that can be chosen by mouse and by keyboard, a first portion of
// long lists. On a narrow screen each row becomes a card; the cells then carry their column's name.
"use strict";

class Table {
  // columns: [{label, cell(row) -> text or nodes, numeric, wide, className}]
  // key(row) and onChoose(row) make the rows choosable.
  constructor({
    label,
    columns,
    rows,
    key = null,
    onChoose = null,
    chosen = null,
    portion = 200,
    className = "",
  }) {
    this.columns = columns;
    this.rows = rows;
    this.key = key;
    this.onChoose = onChoose;
    this.chosen = chosen;
    this.portion = portion;
    this.lines = new Map();
    this.body = Dom.el("tbody", { role: "rowgroup" });
    const table = Dom.el(
      "table",
      {
        role: onChoose ? "grid" : "table",
        "aria-label": label,
        class: onChoose ? "choosable" : "",
      },
      Dom.el("thead", { role: "rowgroup" }, this.headLine()),
      this.body,
    );
    this.more = Dom.button("", () => this.grow(), { class: "button more" });
    this.root = Dom.el("div", { class: `table-frame ${className}`.trim() }, table, this.more);
    if (onChoose) this.listen();
    this.grow(this.portionWith(chosen));
  }

  headLine() {
    const cells = this.columns.map((column) =>
      Dom.el(
        "th",
        { scope: "col", role: "columnheader", class: Table.classOf(column) },
        column.label,
      ),
    );
    return Dom.el("tr", { role: "row" }, cells);
  }

  portionWith(chosen) {
    const place =
      chosen === null || !this.key ? -1 : this.rows.findIndex((row) => this.key(row) === chosen);
    return Math.max(this.portion, place + 1);
  }

  grow(by = this.portion) {
    const from = this.body.children.length;
    this.body.append(...this.rows.slice(from, from + by).map((row, n) => this.line(row, from + n)));
    const left = this.rows.length - this.body.children.length;
    this.more.hidden = left <= 0;
    this.more.textContent = `${Format.count(Math.min(left, this.portion))}개 더 보기 (남은 ${Format.count(left)}개)`;
  }

  line(row, place) {
    const cells = this.columns.map((column) =>
      Table.cell(column, row, this.onChoose ? "gridcell" : "cell"),
    );
    if (!this.onChoose) return Dom.el("tr", { role: "row" }, cells);
    const key = this.key(row);
    const isChosen = this.chosen !== null && key === this.chosen;
    const isEntry = isChosen || (place === 0 && !this.isShown(this.chosen));
    const line = Dom.el(
      "tr",
      {
        role: "row",
        tabindex: isEntry ? 0 : -1,
        "aria-selected": String(isChosen),
        data: { place },
      },
      cells,
    );
    this.lines.set(key, line);
    return line;
  }

  isShown(key) {
    return key !== null && this.rows.some((row) => this.key(row) === key);
  }

  listen() {
    this.body.addEventListener("click", (event) => {
      const line = event.target.closest("tr");
      if (line && !event.target.closest("a, button")) this.take(line);
    });
    this.body.addEventListener("keydown", (event) => this.steer(event));
  }

  steer(event) {
    const line = event.target;
    if (!(line instanceof HTMLTableRowElement)) return;
    const lines = [...this.body.children];
    const place = lines.indexOf(line);
    const steps = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: lines.length - 1 };
    if (event.key === "Enter" || event.key === " ") {
      this.take(line);
    } else if (event.key in steps) {
      this.focus(lines[steps[event.key]]);
    } else {
      return;
    }
    event.preventDefault();
  }

  take(line) {
    this.focus(line);
    this.onChoose(this.rows[Number(line.dataset.place)]);
  }

  focus(line) {
    if (!line) return;
    for (const each of this.body.querySelectorAll('tr[tabindex="0"]')) each.tabIndex = -1;
    line.tabIndex = 0;
    line.focus();
  }

  // Mark the row with this key, without a change of focus.
  choose(key) {
    this.chosen = key;
    for (const [each, line] of this.lines)
      line.setAttribute("aria-selected", String(key !== null && each === key));
  }

  static cell(column, row, role) {
    const content = column.cell(row);
    const isBlank = content === Format.NOTHING || content === Format.NO_MONEY;
    return Dom.el(
      "td",
      {
        role,
        class: `${Table.classOf(column)}${isBlank ? " blank" : ""}`.trim(),
        data: { label: column.label },
      },
      content,
    );
  }

  static classOf(column) {
    return [column.numeric ? "numeric" : "", column.className ?? ""].filter(Boolean).join(" ");
  }
}
