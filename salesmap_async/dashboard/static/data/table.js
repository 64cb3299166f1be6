// Tables: numbers to the right, rows that can be chosen by mouse and by keyboard, a first portion of
// long lists. A click on a heading sorts; a column that holds one value only is folded away. On a
// narrow screen each row becomes a card; the cells then carry their column's name.
"use strict";

class Table {
  static FOLDED_FROM = 5; // rows

  // columns: [{label, cell(row) -> text or nodes, numeric, wide, className, value(row), total(rows)}]
  // value: what is sorted by, else what is shown; total: what stands below the column.
  // key(row) and onChoose(row) make the rows choosable.
  // sorted: {column, order} where the API sorts; onSort(column) then asks it; null: sorted here.
  constructor({
    label,
    columns,
    rows,
    key = null,
    onChoose = null,
    chosen = null,
    portion = 200,
    className = "",
    sorted = null,
    onSort = null,
    isFolding = false,
  }) {
    this.columns = columns;
    this.given = rows;
    this.rows = rows;
    this.key = key;
    this.onChoose = onChoose;
    this.chosen = chosen;
    this.portion = portion;
    this.sorted = sorted;
    this.onSort = onSort;
    this.folded = isFolding ? this.ofOneValue() : [];
    this.lines = new Map();
    this.body = Dom.el("tbody", { role: "rowgroup" });
    this.head = Dom.el("tr", { role: "row" });
    const table = Dom.el(
      "table",
      {
        role: onChoose ? "grid" : "table",
        "aria-label": label,
        class: onChoose ? "choosable" : "",
      },
      Dom.el("thead", { role: "rowgroup" }, this.head),
      this.body,
      this.totals(),
    );
    this.more = Dom.button("", () => this.grow(), { class: "button more" });
    this.root = Dom.el(
      "div",
      { class: `table-block ${className}`.trim() },
      this.foldedNote(),
      Dom.el("div", { class: `table-frame ${className}`.trim() }, table, this.more),
    );
    if (onChoose) this.listen();
    this.showHead();
    this.grow(this.portionWith(chosen));
  }

  // Columns whose rows all show the same: they tell nothing that one line above could not.
  ofOneValue() {
    if (this.given.length < Table.FOLDED_FROM) return [];
    return this.columns.slice(1).filter((column) => {
      if (column.className === "act" || column.total) return false;
      const first = Table.shown(column, this.given[0]);
      return this.given.every((row) => Table.shown(column, row) === first);
    });
  }

  foldedNote() {
    if (!this.folded.length) return null;
    const said = this.folded.map(
      (column) => `${column.label} ${Table.shown(column, this.given[0])}`,
    );
    const unfold = Dom.button("모두 펼치기", () => this.unfold(), { class: "quiet-button" });
    this.note = Dom.el("p", { class: "folded" }, `모두 같은 값: ${said.join(" · ")} `, unfold);
    return this.note;
  }

  unfold() {
    this.folded = [];
    this.note.remove();
    this.showHead();
    this.restart();
  }

  shownColumns() {
    return this.columns.filter((column) => !this.folded.includes(column));
  }

  showHead() {
    Dom.replace(
      this.head,
      this.shownColumns().map((column) => this.heading(column)),
    );
  }

  heading(column) {
    const isSorted = this.sorted?.column === column.label;
    const order = isSorted ? { asc: "ascending", desc: "descending" }[this.sorted.order] : null;
    const canSort = column.className !== "act" && column.label && (!this.onSort || column.sort);
    return Dom.el(
      "th",
      {
        scope: "col",
        role: "columnheader",
        class: Table.classOf(column),
        "aria-sort": order,
      },
      canSort
        ? Dom.button(column.label, () => this.sortBy(column), { class: "sorter" })
        : column.label,
    );
  }

  sortBy(column) {
    if (this.onSort) return this.onSort(column);
    const isAgain = this.sorted?.column === column.label;
    const isDescending = isAgain ? this.sorted.order === "asc" : Boolean(column.numeric);
    this.sorted = { column: column.label, order: isDescending ? "desc" : "asc" };
    const sign = isDescending ? -1 : 1;
    const valued = this.given.map((row, place) => ({ row, place, value: Table.valueOf(column, row) }));
    valued.sort((one, other) => Table.compare(one.value, other.value, sign) || one.place - other.place);
    this.rows = valued.map(({ row }) => row);
    this.showHead();
    this.restart();
    return this.head.querySelector("[aria-sort] button")?.focus();
  }

  restart() {
    const count = this.body.children.length;
    this.body.replaceChildren();
    this.lines.clear();
    this.grow(count);
  }

  // What is not known stands last, whatever the direction.
  static compare(one, other, sign) {
    if (one === null || other === null) return (one === null) - (other === null);
    if (typeof one === "number" && typeof other === "number") return sign * (one - other);
    return sign * String(one).localeCompare(String(other), "ko");
  }

  static valueOf(column, row) {
    if (column.value) return column.value(row) ?? null;
    const shown = Table.shown(column, row);
    if (Format.isBlank(shown) || shown === Format.NOTHING) return null;
    if (!column.numeric) return shown;
    const number = Number(shown.replace(/[^\d.+-]/g, ""));
    return Number.isNaN(number) ? shown : number;
  }

  static shown(column, row) {
    const content = column.cell(row);
    const parts = Array.isArray(content) ? content : [content];
    return parts.map((part) => part?.textContent ?? part ?? "").join(" ").trim();
  }

  totals() {
    if (!this.columns.some((column) => column.total) || this.given.length < 2) return null;
    const cells = this.shownColumns().map((column, place) =>
      Dom.el(
        "td",
        { role: "cell", class: Table.classOf(column), data: { label: column.label } },
        column.total ? column.total(this.given) : place ? "" : "합계",
      ),
    );
    return Dom.el("tfoot", { role: "rowgroup" }, Dom.el("tr", { role: "row" }, cells));
  }

  // The sum of what is known of a column; null where nothing is.
  static sum(rows, value) {
    const known = rows.map(value).filter(Format.isNumber);
    return known.length ? known.reduce((sum, each) => sum + each, 0) : null;
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
    const cells = this.shownColumns().map((column) =>
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

  // Bring the chosen row into view inside its own frame, where it is not.
  showChosen() {
    const line = this.lines.get(this.chosen);
    const frame = this.root.querySelector(".table-frame");
    if (!line || !frame.clientHeight) return;
    const below = line.offsetTop + line.offsetHeight - frame.clientHeight;
    if (line.offsetTop < frame.scrollTop || below > frame.scrollTop)
      frame.scrollTop = line.offsetTop - frame.clientHeight / 2;
  }

  static cell(column, row, role) {
    const content = column.cell(row);
    const isBlank = content === Format.NOTHING || content === Format.NO_MONEY;
    return Dom.el(
      "td",
      {
        role,
        class: `${Table.classOf(column)}${isBlank ? " blank" : ""}`.trim(),
        title: typeof content === "string" && content.length > 12 ? content : null,
        data: { label: column.label },
      },
      content,
    );
  }

  static classOf(column) {
    return [column.numeric ? "numeric" : "", column.className ?? ""].filter(Boolean).join(" ");
  }
}
