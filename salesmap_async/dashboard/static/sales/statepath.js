// The dialog 'StatePath 보기' of one organization.
"use strict";

const StatePath = (() => {
  async function open(organizationId, name, year = null) {
    const copier = Dom.button("Core JSON 복사", () => {}, { class: "button", disabled: true });
    const modal = Modal.show(`StatePath - ${name}`, { actions: [copier], className: "modal-wide" });
    const panel = new Panel("");
    panel.head.remove();
    Dom.replace(modal.body, panel.root);
    const path = `/orgs/${Api.part(organizationId)}/statepath`;
    const ask = (signal) => Api.get(path, { base_year: year }, signal);
    await panel.load(ask, (answer) => {
      const { item } = answer;
      if (!item) return panel.showLacking(Lacking.note(answer, "statepath"));
      modal.setTitle(`StatePath - ${Format.text(item.company_name)}`);
      panel.show(StatePathView.blocks(item));
      copier.disabled = false;
      return copier.addEventListener("click", () => copyCore(item, copier));
    });
  }

  function copyCore({ ops_reco: _left, ...core }, button) {
    return Copying.copy(JSON.stringify(core, null, 2), button);
  }

  return { open };
})();
