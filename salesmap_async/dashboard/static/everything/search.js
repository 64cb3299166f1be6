// Screen #search: one word over organizations, people, deals, leads and memos. The box stands in the
// menu, so that it is on every screen.
"use strict";

class SearchScreen {
  static ID = "search";
  static TABLES = [
    ["organization", "조직"],
    ["people", "사람"],
    ["deal", "딜"],
    ["lead", "리드"],
    ["memo", "메모"],
  ];
  static LIMIT = 50;

  constructor() {
    this.title = "검색";
    this.found = new Panel("찾은 것", { id: "search-found" });
    this.root = Screen.frame(this.title, {}, this.found.root);
  }

  // The box in the menu: Enter leads here.
  static connect(form) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const term = form.elements.term.value.trim();
      if (term) Route.go(SearchScreen.ID, { term });
    });
  }

  update({ term = "" }) {
    document.querySelector("#everything [name=term]").value = term;
    if (this.isLoaded && term === this.term) return null;
    this.term = term;
    return this.refresh();
  }

  async refresh() {
    const { term } = this;
    if (!term.trim()) return this.found.showEmpty("왼쪽 위 칸에 찾을 말을 적으세요.");
    const params = { term, limit: SearchScreen.LIMIT };
    const answer = await this.found.load(
      (signal) => Api.get("/search", params, signal),
      ({ items }) => this.show(items),
    );
    this.isLoaded = Boolean(answer);
    return answer;
  }

  show(items) {
    if (!items.length)
      return this.found.showEmpty(`‘${this.term}’이(가) 들어 있는 기록이 없습니다.`);
    this.found.setCount(`${Format.count(items.length)}건`);
    this.found.setDownloads(Downloads.buttons("/search", { term: this.term }));
    return this.found.show(
      SearchScreen.TABLES.map(([table, label]) => {
        const own = items.filter((item) => item.table === table);
        if (!own.length) return null;
        const isCut = own.length >= SearchScreen.LIMIT;
        return Dom.el(
          "section",
          { class: "found-group" },
          Dom.el("h3", {}, `${label} ${Format.count(own.length)}${isCut ? "건 이상" : "건"}`),
          Dom.el(
            "ul",
            {},
            own.map((item) => SearchScreen.line(item)),
          ),
        );
      }),
    );
  }

  static line(item) {
    const name = Format.text(item.name ?? item.text);
    const params = SearchScreen.place(item);
    return Dom.el(
      "li",
      {},
      params ? Dom.el("a", { href: Route.hash(OrganizationsScreen.ID, params) }, name) : name,
      item.text && item.text !== item.name && item.name
        ? Dom.el("span", { class: "found-text" }, item.text)
        : null,
    );
  }

  static place({ organization_id: org, person_id: person, deal_id: deal }) {
    if (!org) return null;
    return { org, person, deal: person ? deal : null };
  }
}
