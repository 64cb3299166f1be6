// The dialog 'StatePath 보기' of one organization.
"use strict";

const StatePath = (() => {
  async function open(organizationId, name) {
    const copier = Dom.button("Core JSON 복사", () => {}, { class: "button", disabled: true });
    const modal = Modal.show(`StatePath - ${name}`, { actions: [copier], className: "modal-wide" });
    const panel = new Panel("");
    panel.head.remove();
    Dom.replace(modal.body, panel.root);
    const ask = (signal) => Api.get(`/orgs/${Api.part(organizationId)}/statepath`, {}, signal);
    await panel.load(ask, ({ item }) => {
      modal.setTitle(`StatePath - ${Format.text(item.company_name)}`);
      panel.show(StatePathView.blocks(item));
      copier.disabled = false;
      copier.addEventListener("click", () => copyCore(item, copier));
    });
  }

  async function copyCore({ ops_reco: _left, ...core }, button) {
    const text = JSON.stringify(core, null, 2);
    const isCopied = await copied(text);
    button.textContent = isCopied ? "복사했습니다" : "복사하지 못했습니다";
    window.setTimeout(() => {
      button.textContent = "Core JSON 복사";
    }, 2000);
  }

  async function copied(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return copiedBySelection(text);
    }
  }

  // For browsers that keep the clipboard from a page that came as a file.
  function copiedBySelection(text) {
    const field = Dom.el("textarea", { class: "visually-hidden", readonly: true });
    field.value = text;
    document.querySelector("dialog").append(field);
    field.select();
    const isDone = document.execCommand("copy");
    field.remove();
    return isDone;
  }

  return { open };
})();
