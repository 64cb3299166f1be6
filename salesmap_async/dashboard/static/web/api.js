// Where the API is, and how to ask it.
// Served by the API itself, the page asks its own origin; from a static server or a file it asks
// http://localhost:8000/api. `?api=` names another one, on this machine or on the page's own host.
"use strict";

const Api = (() => {
  const USUAL_BASE = "http://localhost:8000/api";
  const LOOPBACK = ["localhost", "127.0.0.1"];

  const PATIENCE_MS = 30_000;
  const PATIENCE_FOR_FILES_MS = 600_000;

  let found = null;

  function base() {
    found ??= findBase().catch(() => {
      found = null;
      throw unreachable(window.location.origin);
    });
    return found;
  }

  async function findBase() {
    const asked = askedBase();
    if (asked) return asked;
    return (await isServedByApi()) ? new URL("api", window.location.href).href : USUAL_BASE;
  }

  // Only a machine that the page may trust with a token: this one, or the page's own host.
  function askedBase() {
    const asked = new URLSearchParams(window.location.search).get("api");
    if (!asked || !URL.canParse(asked)) return null;
    const url = new URL(asked);
    const isNear = LOOPBACK.includes(url.hostname) || url.hostname === window.location.hostname;
    return isNear && url.protocol.startsWith("http") ? url.href.replace(/\/+$/, "") : null;
  }

  // The API sends its security policy with the page; a plain file server has none.
  async function isServedByApi() {
    if (!window.location.protocol.startsWith("http")) return false;
    const page = await fetch(window.location.pathname, { cache: "no-store" });
    return page.headers.has("content-security-policy");
  }

  // GET <base><path>?<params>. Throws ApiError, or an AbortError that is nobody's concern.
  async function get(path, params = {}, signal = undefined) {
    const answer = await send(await address(path, params), signal);
    const body = await answer.json().catch(() => null);
    if (answer.status === 401) announce("proof-wanted", { ask: wantedProof(body) });
    if (!answer.ok) throw Refusals.toError(answer.status, body ?? {});
    if (body === null || typeof body !== "object")
      throw new ApiError("API의 응답이 JSON이 아닙니다.");
    return body;
  }

  // GET a file beside the API. Resolves to {blob, name}; throws like `get`.
  async function file(path, params = {}) {
    const place = (await address(path, params)).replace("/api/download/", "/download/");
    const answer = await send(place, undefined);
    if (!answer.ok)
      throw Refusals.toError(answer.status, (await answer.json().catch(() => null)) ?? {});
    const said = answer.headers.get("content-disposition") ?? "";
    const name = said.match(/filename\*=UTF-8''([^;]+)/)?.[1];
    return { blob: await answer.blob(), name: name ? decodeURIComponent(name) : null };
  }

  function announce(name, detail = {}) {
    window.dispatchEvent(new CustomEvent(name, { detail }));
  }

  function wantedProof(body) {
    const known = (body?.ask ?? []).filter((each) => ["token", "password"].includes(each));
    return known.length ? known : ["token"];
  }

  async function address(path, params) {
    const kept = Object.entries(params).filter(([, value]) => !Format.isBlank(value));
    const query = new URLSearchParams(kept).toString();
    return `${await base()}${path}${query ? `?${query}` : ""}`;
  }

  async function send(url, signal) {
    Proof.belongTo(url);
    const proof = Proof.header();
    const headers = proof ? { Authorization: proof } : {};
    try {
      return await fetch(url, {
        headers,
        signal: AbortSignal.any([signal, AbortSignal.timeout(patienceFor(url))].filter(Boolean)),
        cache: "no-store",
        referrerPolicy: "no-referrer",
      });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      if (error.name === "TimeoutError") throw tooSlow();
      announce("api-lost");
      throw unreachable(await base());
    }
  }

  function unreachable(where) {
    const isFile = window.location.protocol === "file:";
    return new ApiError("API에 연결할 수 없습니다.", {
      lines: [`주소: ${where}`],
      command: `python -m salesmap_async serve${isFile ? " --allow-file-origin" : ""}`,
    });
  }

  const patienceFor = (url) =>
    url.includes("/download/") ? PATIENCE_FOR_FILES_MS : PATIENCE_MS;

  function tooSlow() {
    return new ApiError(`API가 ${PATIENCE_MS / 1000}초 안에 답하지 않았습니다.`);
  }

  const part = encodeURIComponent;

  // The manual stands beside the API, wherever the page comes from.
  async function helpAddress() {
    return (await base()).replace(/\/api$/, "/help");
  }

  return { get, file, part, helpAddress };
})();
