// A card with a heading and a body that is loading, empty, failed or filled. A panel that is asked
// for something new forgets what it was waiting for: a late answer never overwrites a newer one.
"use strict";

class Panel {
  constructor(title, { id = null, actions = [], className = "" } = {}) {
    this.title = Dom.el("h2", { class: "panel-title" }, title);
    this.count = Dom.el("span", { class: "panel-count" });
    this.body = Dom.el("div", { class: "panel-body" });
    this.downloads = Dom.el("span", { class: "panel-downloads" });
    this.head = Dom.el(
      "header",
      { class: "panel-head" },
      this.title,
      this.count,
      Dom.el("div", { class: "panel-actions" }, actions, this.downloads),
    );
    this.root = Dom.el("section", { class: `panel ${className}`.trim(), id }, this.head, this.body);
    this.waiting = null;
  }

  // ask(signal) -> a promise; render(answer) -> fills the panel. Resolves to the answer, or to
  // null when it failed or was overtaken.
  async load(ask, render) {
    this.forget();
    const waiting = new AbortController();
    this.waiting = waiting;
    this.showLoading();
    try {
      const answer = await ask(waiting.signal);
      if (this.waiting !== waiting) return null;
      this.body.removeAttribute("aria-busy");
      render(answer);
      return answer;
    } catch (error) {
      if (this.waiting !== waiting || error.name === "AbortError") return null;
      this.showError(error, () => this.load(ask, render));
      return null;
    }
  }

  forget() {
    this.waiting?.abort();
    this.waiting = null;
  }

  showLoading() {
    this.body.setAttribute("aria-busy", "true");
    if (this.body.querySelector("table, .chart, .figures")) return;
    const lines = [1, 2, 3].map(() => Dom.el("span", { class: "skeleton" }));
    Dom.replace(
      this.body,
      Dom.el(
        "div",
        { class: "loading" },
        lines,
        Dom.el("span", { class: "visually-hidden" }, "불러오는 중"),
      ),
    );
  }

  show(...children) {
    this.body.removeAttribute("aria-busy");
    Dom.replace(this.body, ...children);
  }

  // `wayOut`: a button, where there is one.
  showEmpty(text, wayOut = null) {
    this.setCount("");
    this.setDownloads(null);
    this.show(Dom.el("div", { class: "empty" }, Dom.el("p", {}, text), wayOut));
  }

  // Nothing is chosen yet, so nothing is asked for.
  rest(text) {
    this.forget();
    this.showEmpty(text);
  }

  // The figure of this panel is not there: `note` says why.
  showLacking(note) {
    this.setCount("");
    this.setDownloads(null);
    this.show(note);
  }

  showError(error, retry) {
    this.setCount("");
    this.setDownloads(null);
    if (!(error instanceof ApiError)) console.error(error);
    this.show(Panel.failure(error, retry));
  }

  // Bring the panel into view and the focus to its heading: what follows is read from there.
  lead() {
    const isCalm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.title.tabIndex = -1;
    this.title.focus({ preventScroll: true });
    this.root.scrollIntoView({ block: "start", behavior: isCalm ? "auto" : "smooth" });
  }

  // Out of the way while another panel says what went wrong; nothing is waited for then.
  setHidden(isHidden) {
    this.root.hidden = isHidden;
    if (isHidden) this.show();
  }

  setTitle(text) {
    this.title.textContent = text;
  }

  // What the panel shows, as files: `Downloads.buttons`, or null.
  setDownloads(buttons) {
    Dom.replace(this.downloads, buttons);
  }

  setCount(text) {
    this.count.textContent = text;
  }

  static failure(error, retry = null) {
    return Dom.el(
      "div",
      { class: "failure", role: "alert" },
      Dom.el("p", { class: "failure-text" }, error.message),
      (error.lines ?? []).map((line) => Dom.el("p", { class: "failure-line" }, line)),
      error.original
        ? Dom.el("p", { class: "failure-original", lang: "en" }, error.original)
        : null,
      error.command
        ? Dom.el(
            "p",
            { class: "failure-command" },
            Dom.el("code", { class: "command" }, error.command),
          )
        : null,
      retry ? Dom.button("다시 시도", () => retry(), { class: "button" }) : null,
    );
  }
}
