// 내려받기: what a table shows, with all its rows, as an Excel or a CSV file.
"use strict";

const Downloads = (() => {
  const FORMS = [
    ["xlsx", "Excel"],
    ["csv", "CSV"],
  ];

  // `path` and `params` are those of the answer; `list` names the table in it, where it has several.
  function buttons(path, params = {}, list = null) {
    return Dom.el(
      "span",
      { class: "downloads", role: "group", "aria-label": "내려받기" },
      FORMS.map(([form, label]) => {
        const button = Dom.button(label, () => take(form, path, { ...params, list }, button), {
          class: "quiet-button",
          title: `모든 행을 ${label} 파일로 내려받기`,
        });
        return button;
      }),
    );
  }

  async function take(form, path, params, button) {
    button.disabled = true;
    const label = button.textContent;
    button.textContent = "…";
    try {
      const { blob, name } = await Api.file(`/download/${form}${path}`, params);
      save(blob, name ?? `salesmap.${form}`);
      Banners.hide("download");
    } catch (error) {
      Banners.show("download", "problem", Panel.failure(error));
    } finally {
      button.textContent = label;
      button.disabled = false;
    }
  }

  function save(blob, name) {
    const url = URL.createObjectURL(blob);
    const link = Dom.el("a", { href: url, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    URL.revokeObjectURL(url);
  }

  return { buttons };
})();
