// The menu: sections that open and close (remembered), the current entry marked, a drawer on a
// narrow screen.
"use strict";

const Navigation = (() => {
  const byId = (id) => document.getElementById(id);

  let shown = "";

  // sections: [{title, entries: [{id, label}]}]; the same ones again change nothing.
  function show(sections) {
    const next = JSON.stringify(sections);
    if (next === shown) return;
    shown = next;
    let place = 0;
    Dom.replace(
      byId("menu"),
      sections.map((section, number) =>
        sectionOf(section, `menu-section-${number}`, () => (place += 1)),
      ),
    );
    mark();
  }

  function sectionOf({ title, entries }, id, nextPlace) {
    const isOpen = Remembered.read(`menu.${title}`) !== "closed";
    const list = Dom.el(
      "ul",
      { id, hidden: !isOpen },
      entries.map((entry) =>
        Dom.el(
          "li",
          {},
          Dom.el(
            "a",
            { href: Route.hash(entry.id), data: { screen: entry.id } },
            Dom.el("span", { class: "menu-place", "aria-hidden": "true" }, String(nextPlace())),
            Dom.el("span", {}, entry.label),
          ),
        ),
      ),
    );
    const head = Dom.button(
      title,
      () => {
        list.hidden = !list.hidden;
        head.setAttribute("aria-expanded", String(!list.hidden));
        Remembered.write(`menu.${title}`, list.hidden ? "closed" : "open");
      },
      { class: "menu-section", "aria-expanded": String(isOpen), "aria-controls": id },
    );
    return [head, list];
  }

  function mark(screen = byId("menu").dataset.current) {
    byId("menu").dataset.current = screen ?? "";
    for (const link of byId("menu").querySelectorAll("a")) {
      if (link.dataset.screen === screen) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }

  function openDrawer(isOpen) {
    document.body.classList.toggle("menu-open", isOpen);
    byId("menu-button").setAttribute("aria-expanded", String(isOpen));
    byId("scrim").hidden = !isOpen;
    if (isOpen) byId("menu").querySelector("a")?.focus();
  }

  async function connectHelp() {
    byId("help-link").href = await Api.helpAddress().catch(() => "/help");
  }

  function connect() {
    connectHelp();
    const isOpen = () => document.body.classList.contains("menu-open");
    byId("menu-button").addEventListener("click", () => openDrawer(!isOpen()));
    byId("scrim").addEventListener("click", () => openDrawer(false));
    byId("menu").addEventListener(
      "click",
      (event) => event.target.closest("a") && openDrawer(false),
    );
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !isOpen()) return;
      openDrawer(false);
      byId("menu-button").focus();
    });
  }

  return { show, mark, connect };
})();
