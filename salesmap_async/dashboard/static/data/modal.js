// One dialog at a time over the page. It closes by its button, by ESC and by a click beside it;
// the focus stays inside while it is open; the browser gives it back to where it was.
"use strict";

const Modal = (() => {
  const FOCUSABLE =
    'button:not([disabled]), a[href], input, textarea, select, iframe, [tabindex="0"]';
  let open = null;

  // Returns {body, setTitle, close}; `actions` are buttons beside the close button.
  function show(title, { actions = [], className = "" } = {}) {
    open?.close();
    const heading = Dom.el("h2", { id: "modal-title", class: "modal-title" }, title);
    const body = Dom.el("div", { class: "modal-body", tabindex: "0" });
    const closer = Dom.button("닫기", () => close(), { class: "button" });
    const dialog = Dom.el(
      "dialog",
      { class: `modal ${className}`.trim(), "aria-labelledby": "modal-title" },
      Dom.el(
        "div",
        { class: "modal-frame" },
        Dom.el(
          "header",
          { class: "modal-head" },
          heading,
          Dom.el("div", { class: "modal-actions" }, actions, closer),
        ),
        body,
      ),
    );

    function close() {
      if (open !== handle) return;
      open = null;
      dialog.close();
      dialog.remove();
    }

    const handle = {
      body,
      close,
      setTitle: (text) => {
        heading.textContent = text;
      },
    };
    open = handle;
    listen(dialog, close);
    document.body.append(dialog);
    dialog.showModal();
    closer.focus();
    return handle;
  }

  function listen(dialog, close) {
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      close();
    });
    let pressedBeside = false;
    dialog.addEventListener("pointerdown", (event) => {
      pressedBeside = event.target === dialog;
    });
    dialog.addEventListener("click", (event) => {
      if (pressedBeside && event.target === dialog) close();
    });
    dialog.addEventListener("keydown", (event) => {
      if (event.key === "Tab") turnAround(dialog, event);
    });
  }

  function turnAround(dialog, event) {
    const stops = [...dialog.querySelectorAll(FOCUSABLE)].filter(
      (each) => each.offsetParent !== null,
    );
    const edge = event.shiftKey ? stops[0] : stops.at(-1);
    if (document.activeElement !== edge) return;
    (event.shiftKey ? stops.at(-1) : stops[0]).focus();
    event.preventDefault();
  }

  function closeOpen() {
    open?.close();
  }

  return { show, closeOpen };
})();
