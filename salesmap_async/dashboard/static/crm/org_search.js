// Finding an organization: by size, by typing (the list follows the letters), or from the select.
// The list under the search box is steered with arrows, Enter and ESC; the select holds the same.
"use strict";

class OrgSearch {
  static ALL = "전체";
  static LIMIT = 200;
  static PAUSE_MS = 200;

  // onChoose(id or null); onFound(answer, error) after each search, one of them null.
  constructor({ onChoose, onFound }) {
    this.onChoose = onChoose;
    this.onFound = onFound;
    this.items = [];
    this.marked = -1;
    this.waiting = null;
    this.timer = 0;
    this.chosen = null;
    this.year = null;
    this.makeFields();
    this.root = this.layout();
    this.listen();
  }

  makeFields() {
    this.size = Dom.el("select", { class: "field", id: "size-select" });
    this.input = Dom.el("input", {
      class: "field",
      id: "org-search",
      type: "search",
      placeholder: "조직 이름이나 ID",
      autocomplete: "off",
      role: "combobox",
      "aria-expanded": "false",
      "aria-controls": "org-options",
      "aria-autocomplete": "list",
    });
    this.options = Dom.el("ul", {
      class: "options",
      id: "org-options",
      role: "listbox",
      "aria-label": "찾은 조직",
      hidden: true,
    });
    this.button = Dom.button("검색", () => this.search(), { class: "button" });
    this.select = Dom.el(
      "select",
      { class: "field", id: "org-select" },
      Dom.el("option", { value: "" }, "조직 선택"),
    );
    this.notice = Dom.el("p", { class: "search-notice", role: "status" });
  }

  layout() {
    const labelled = (text, field, className) =>
      Dom.el(
        "div",
        { class: `labelled ${className}` },
        Dom.el("label", { for: field.id }, text),
        field,
      );
    const searching = labelled("조직 검색", this.input, "labelled-search");
    searching.append(this.options);
    return Dom.el(
      "div",
      { class: "search" },
      labelled("기업 규모", this.size, "labelled-size"),
      searching,
      this.button,
      labelled("조직", this.select, "labelled-org"),
      this.notice,
    );
  }

  listen() {
    this.size.addEventListener("change", () => this.list());
    this.select.addEventListener("change", () => this.take(this.select.value));
    this.input.addEventListener("input", () => {
      window.clearTimeout(this.timer);
      this.timer = window.setTimeout(() => this.search(), OrgSearch.PAUSE_MS);
    });
    this.input.addEventListener("keydown", (event) => this.steer(event));
    this.input.addEventListener("blur", () => this.closeOptions());
    this.options.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      const option = event.target.closest("[role=option]");
      if (option) this.take(option.dataset.id);
    });
  }

  // Ask for the sizes and the first list. May be repeated: what is chosen and typed stays.
  async start() {
    try {
      const { sizes } = await Api.get("/sizes");
      const before = this.size.value || Snapshot.meta().default_size;
      const all = [OrgSearch.ALL, ...sizes];
      Dom.replace(
        this.size,
        all.map((size) => Dom.el("option", { value: size }, size)),
      );
      this.size.value = all.includes(before) ? before : OrgSearch.ALL;
    } catch (error) {
      this.onFound(null, error);
      return;
    }
    await this.list();
  }

  async search() {
    window.clearTimeout(this.timer);
    if ((await this.list()) && document.activeElement === this.input) this.openOptions();
  }

  // Resolves to true when this list was not overtaken by a newer one.
  async list() {
    this.waiting?.abort();
    const waiting = new AbortController();
    this.waiting = waiting;
    this.root.setAttribute("aria-busy", "true");
    try {
      const answer = await this.ask(waiting.signal);
      if (this.waiting !== waiting) return false;
      this.fill(answer.items);
      this.onFound(answer, null);
    } catch (error) {
      if (this.waiting !== waiting || error.name === "AbortError") return false;
      this.fill([], "불러오지 못했습니다");
      this.onFound(null, error);
    }
    this.root.removeAttribute("aria-busy");
    return true;
  }

  asked() {
    const search = this.input.value.trim();
    return { size: this.size.value || OrgSearch.ALL, search, base_year: this.year };
  }

  async ask(signal) {
    const { search } = this.asked();
    const asked = (size) =>
      Api.get("/orgs", { ...this.asked(), size, limit: OrgSearch.LIMIT }, signal);
    const answer = await asked(this.size.value || OrgSearch.ALL);
    this.say("");
    if (answer.items.length || search || this.size.value === OrgSearch.ALL) return answer;
    const empty = this.size.value;
    const all = await asked(OrgSearch.ALL);
    if (signal.aborted) return answer;
    this.size.value = OrgSearch.ALL;
    this.say(`‘${empty}’ 조직이 없어 전체를 보여 줍니다.`);
    return all;
  }

  fill(items, nothing = "찾은 조직이 없습니다") {
    this.items = items;
    this.marked = -1;
    this.input.removeAttribute("aria-activedescendant");
    const count =
      items.length >= OrgSearch.LIMIT ? `처음 ${OrgSearch.LIMIT}개` : `${items.length}개`;
    Dom.replace(
      this.select,
      Dom.el(
        "option",
        { value: "" },
        items.length ? `조직 선택 (${count})` : nothing,
      ),
      items.map((item) => Dom.el("option", { value: item.id }, Format.text(item.name ?? item.id))),
    );
    Dom.replace(
      this.options,
      items.map((item, place) => this.option(item, place)),
    );
    if (!items.length) this.options.append(Dom.el("li", { class: "option-none" }, nothing));
    this.show(this.chosen);
  }

  option(item, place) {
    return Dom.el(
      "li",
      {
        role: "option",
        id: `org-option-${place}`,
        "aria-selected": "false",
        data: { id: item.id },
      },
      Dom.el("span", { class: "option-name" }, Format.text(item.name ?? item.id)),
      Dom.el(
        "span",
        { class: "option-note" },
        [item.size, Format.names(item.owner)]
          .filter((each) => each && each !== Format.NOTHING)
          .join(" · "),
      ),
    );
  }

  // Show {id, name} as chosen, also when it is not among the first organizations.
  show(organization) {
    this.chosen = organization;
    const id = organization?.id ?? "";
    if (id && ![...this.select.options].some((option) => option.value === id)) {
      this.select.options[0].after(
        Dom.el("option", { value: id }, Format.text(organization.name ?? id)),
      );
    }
    this.select.value = id;
  }

  // While a Korean letter is being composed, Enter and arrows belong to the input method.
  steer(event) {
    if (event.isComposing) return;
    const moves = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in moves) {
      this.openOptions();
      this.step(moves[event.key]);
    } else if (event.key === "Enter") {
      this.enter();
    } else if (event.key === "Escape" && !this.options.hidden) {
      this.closeOptions();
    } else {
      return;
    }
    event.preventDefault();
  }

  // Around the list; from no mark at all down to the first line, up to the last one.
  step(by) {
    const { length } = this.items;
    const from = this.marked < 0 && by < 0 ? 0 : this.marked;
    if (length) this.mark((from + by + length) % length);
  }

  async enter() {
    const marked = this.items[this.marked];
    if (marked && !this.options.hidden) return this.take(marked.id);
    await this.search();
    if (this.items.length === 1) this.take(this.items[0].id);
    return undefined;
  }

  mark(place) {
    const lines = this.options.querySelectorAll("[role=option]");
    lines[this.marked]?.setAttribute("aria-selected", "false");
    this.marked = place;
    lines[place]?.setAttribute("aria-selected", "true");
    lines[place]?.scrollIntoView({ block: "nearest" });
    this.input.setAttribute("aria-activedescendant", `org-option-${place}`);
  }

  openOptions() {
    this.options.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
  }

  closeOptions() {
    this.options.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  get canWiden() {
    return this.input.value.trim() !== "" && this.size.value !== OrgSearch.ALL;
  }

  // The same letters, in every size.
  widen() {
    this.size.value = OrgSearch.ALL;
    this.input.focus();
    return this.search();
  }

  take(id) {
    this.closeOptions();
    this.onChoose(id || null);
  }

  clear() {
    this.input.value = "";
    this.show(null);
  }

  say(text) {
    this.notice.textContent = text;
  }
}
