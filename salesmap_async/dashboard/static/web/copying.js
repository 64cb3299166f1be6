// Copying a text; the button that was pressed says whether it worked.
"use strict";

const Copying = (() => {
  const SAID_FOR_MS = 2000;

  async function copy(text, button) {
    const label = button.textContent;
    button.textContent = (await isCopied(text, button)) ? "복사했습니다" : "복사하지 못했습니다";
    window.setTimeout(() => {
      button.textContent = label;
    }, SAID_FOR_MS);
  }

  async function isCopied(text, button) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return isCopiedBySelection(text, button);
    }
  }

  // For browsers that keep the clipboard from a page that came as a file. Inside a dialog nothing
  // outside of it can be selected.
  function isCopiedBySelection(text, button) {
    const field = Dom.el("textarea", { class: "visually-hidden", readonly: true });
    field.value = text;
    button.after(field);
    field.select();
    const isDone = document.execCommand("copy");
    field.remove();
    return isDone;
  }

  return { copy };
})();
