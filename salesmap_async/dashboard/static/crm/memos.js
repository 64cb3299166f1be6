// Memos: as rows of a table, as one full text, as all memos of a deal. A memo is shown as plain
// text; its formatted form (sanitised by the API) only inside a frame that may do nothing.
"use strict";

const Memos = (() => {
  const COLUMNS = [
    { label: "작성일", cell: (memo) => Format.date(memo.createdAt), className: "day" },
    { label: "작성자", cell: (memo) => Format.text(memo.ownerName), className: "short" },
    { label: "본문", cell: (memo) => Format.preview(memo.text), className: "long" },
  ];

  function table(label, memos) {
    return new Table({
      label,
      columns: COLUMNS,
      rows: memos,
      key: (memo) => memo.id,
      onChoose: open,
      portion: 50,
      className: "memo-table",
    }).root;
  }

  // Fill a panel with the memos of `path`.
  function load(panel, path, nothing) {
    return panel.load(
      (signal) => Api.get(path, {}, signal),
      (answer) => {
        const { items } = answer;
        if (!items.length) return panel.showEmpty(nothing);
        panel.setCount(`${Format.count(items.length)}건`);
        panel.setDownloads(Downloads.buttons(path));
        return panel.show(Lacking.note(answer, "memos"), table(panel.title.textContent, items));
      },
    );
  }

  function open(memo) {
    const modal = Modal.show(`메모 · ${Format.date(memo.createdAt)}`, {
      className: "modal-reading",
    });
    Dom.replace(modal.body, article(memo));
  }

  async function openOfDeal(deal) {
    const openDeal = Dom.el(
      "a",
      {
        class: "button",
        href: Route.hash("org-view", { org: deal.orgId, person: deal.personId, deal: deal.dealId }),
      },
      "조직 화면에서 보기",
    );
    const modal = Modal.show(`메모 · ${Format.text(deal.dealName)}`, {
      className: "modal-reading",
      actions: [
        Downloads.buttons(`/deals/${Api.part(deal.dealId)}/memos`),
        deal.orgId ? openDeal : null,
      ],
    });
    const panel = new Panel("");
    panel.head.remove();
    Dom.replace(modal.body, panel.root);
    await panel.load(
      (signal) => Api.get(`/deals/${Api.part(deal.dealId)}/memos`, { limit: 200 }, signal),
      (answer) => {
        if (!answer.items.length) return panel.showEmpty("메모가 없습니다.");
        return panel.show(Lacking.note(answer, "memos"), answer.items.map(article));
      },
    );
  }

  function article(memo) {
    const text = Dom.el("p", { class: "memo-text" }, Format.text(Format.memo(memo.text)));
    const place = Dom.el("div", {}, text);
    const toggle = memo.html ? formatToggle(memo, place, text) : null;
    return Dom.el(
      "article",
      { class: "memo" },
      Dom.el(
        "header",
        { class: "memo-head" },
        Dom.el("span", { class: "memo-author" }, Format.text(memo.ownerName)),
        Dom.el("span", { class: "memo-day" }, Format.minute(memo.createdAt)),
        toggle,
      ),
      place,
    );
  }

  function formatToggle(memo, place, text) {
    let isFormatted = false;
    const button = Dom.button(
      "서식 보기",
      () => {
        isFormatted = !isFormatted;
        button.textContent = isFormatted ? "글로 보기" : "서식 보기";
        Dom.replace(place, isFormatted ? frame(memo.html) : text);
      },
      { class: "quiet-button" },
    );
    return button;
  }

  // sandbox="": no script, no form, no navigation of this page, an origin of its own. That origin
  // may not read files, so a page that came as one has no style for the frame.
  function frame(html) {
    const isFile = window.location.protocol === "file:";
    const style = isFile
      ? ""
      : `<link rel="stylesheet" href="${new URL("crm/memo.css", document.baseURI).href}">`;
    const head = `<!doctype html><meta charset="utf-8">${style}`;
    return Dom.el("iframe", {
      class: "memo-frame",
      sandbox: "",
      srcdoc: `${head}${html}`,
      title: "서식이 있는 메모",
    });
  }

  return { load, openOfDeal };
})();
