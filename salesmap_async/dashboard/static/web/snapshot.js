// Which snapshot is shown. The API is asked now and then; when another file stands behind it, the
// current screen is loaded again and says so. After an outage the screen is loaded again too.
"use strict";

const Snapshot = (() => {
  const POLL_MS = 60_000;
  const UNKNOWN = {
    base_year: null,
    years: [],
    default_size: "대기업",
    crm_url: null,
    own_side_owner_label: "담당자(자사)",
    teams: [{ key: "edu1", label: "교육 1팀 딜체크" }],
    snapshot: null,
    warnings: [],
  };

  let meta = UNKNOWN;
  let looking = null;
  let wasLost = false;
  let onNews = () => {};
  let onMeta = () => {};

  // `whenNew` is called when other data stand behind the API, or when it was lost and is back;
  // `whenKnown` after each look.
  async function start({ whenNew, whenKnown }) {
    onNews = whenNew;
    onMeta = whenKnown;
    const lookIfSeen = () => document.visibilityState === "visible" && look();
    window.setInterval(lookIfSeen, POLL_MS);
    window.addEventListener("focus", look);
    document.addEventListener("visibilitychange", lookIfSeen);
    window.addEventListener("api-lost", () => {
      wasLost = true;
    });
    await look();
  }

  function look() {
    looking ??= ask().finally(() => {
      looking = null;
    });
    return looking;
  }

  // Look with a new proof, and load the screen again: what it asked for before was refused.
  async function lookAgain() {
    await looking;
    wasLost = true;
    await look();
  }

  async function ask() {
    try {
      take({ ...UNKNOWN, ...(await Api.get("/meta")) });
    } catch (error) {
      wasLost = true;
      // The form that asks for a proof says enough.
      if (error.status === 401) Banners.hide("api");
      else Banners.show("api", "problem", Panel.failure(error, look));
    }
  }

  function take(next) {
    const isFirst = meta === UNKNOWN;
    const isOther = identityOf(meta) !== identityOf(next);
    const isBack = wasLost;
    meta = next;
    wasLost = false;
    Banners.hide("api");
    warn();
    onMeta(meta);
    if (isOther && !isFirst) announce();
    if (isOther || isFirst || isBack) onNews();
  }

  // Which state of which file: a file may be replaced, or its web forms renewed, under one run tag.
  function identityOf({ snapshot }) {
    if (!snapshot) return null;
    const { state, run_tag, published_at, size_bytes } = snapshot;
    return state ?? `${run_tag} ${published_at} ${size_bytes}`;
  }

  function announce() {
    const tag = Format.text(meta.snapshot?.run_tag);
    Banners.show(
      "new",
      "news",
      `새 스냅샷 ${tag}을(를) 불러왔습니다. 선택한 항목은 그대로입니다.`,
    );
  }

  function warn() {
    const { snapshot, warnings } = meta;
    if (snapshot?.stale) {
      Banners.show(
        "stale",
        "warning",
        `스냅샷이 하루보다 오래되었습니다: ${Format.minute(snapshot.captured_at_utc)} (${Format.duration(snapshot.age_s)} 전).`,
      );
    } else {
      Banners.hide("stale");
    }
    if (warnings?.length) {
      Banners.show("settings", "warning", settings(meta));
    } else {
      Banners.hide("settings");
    }
  }

  // One list of what is not as the screens expect, and what to paste to mend it.
  function settings({ warnings, missing_toml: block }) {
    const isMany = warnings.length > 3;
    const list = Dom.el(
      "ul",
      { class: "banner-list" },
      warnings.map((warning) => Dom.el("li", {}, warning)),
    );
    return [
      Dom.el("p", {}, `설정을 확인하세요: ${isMany ? `${Format.count(warnings.length)}가지` : ""}`),
      isMany ? Dom.el("details", {}, Dom.el("summary", {}, "모두 보기"), list) : list,
      block ? ready(block) : null,
    ];
  }

  function ready(block) {
    const copier = Dom.button("복사", () => Copying.copy(block, copier), { class: "small-button" });
    return Dom.el(
      "details",
      {},
      Dom.el("summary", {}, "dashboard.toml에 붙여 넣을 내용"),
      Dom.el("pre", { class: "paste", tabindex: 0 }, block),
      copier,
    );
  }

  function crmLink(kind, id) {
    if (!meta.crm_url || Format.isBlank(id)) return null;
    return `${meta.crm_url.replace(/\/+$/, "")}/contents/${kind}/${encodeURIComponent(id)}`;
  }

  return { start, lookAgain, crmLink, meta: () => meta };
})();
