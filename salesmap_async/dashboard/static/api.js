// Where the API is, and how to ask it.
// Served by the API itself, the page asks its own origin; from a static server or a file it asks
// http://localhost:8000/api. `?api=` names another one, on this machine or on the page's own host.
"use strict";

const Api = (() => {
  const USUAL_BASE = "http://localhost:8000/api";
  const LOOPBACK = ["localhost", "127.0.0.1"];
  const TOKEN_KEY = "salesmap.token";

  // What the API said, for a person: a sentence, lines of detail, a command that helps.
  class ApiError extends Error {
    constructor(message, { status = 0, lines = [], command = null } = {}) {
      super(message);
      this.status = status;
      this.lines = lines;
      this.command = command;
    }
  }

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
    if (answer.status === 401) window.dispatchEvent(new CustomEvent("token-wanted"));
    if (!answer.ok) throw refused(answer.status, body ?? {});
    if (body === null || typeof body !== "object")
      throw new ApiError("API의 응답이 JSON이 아닙니다.");
    return body;
  }

  async function address(path, params) {
    const kept = Object.entries(params).filter(([, value]) => !Format.isBlank(value));
    const query = new URLSearchParams(kept).toString();
    return `${await base()}${path}${query ? `?${query}` : ""}`;
  }

  async function send(url, signal) {
    const token = readToken();
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    try {
      return await fetch(url, {
        headers,
        signal,
        cache: "no-store",
        referrerPolicy: "no-referrer",
      });
    } catch (error) {
      if (error.name === "AbortError") throw error;
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

  // `detail` comes as a text, as a list (422) or as an object (503); `command` stands beside it.
  function refused(status, { detail, command = null }) {
    if (typeof detail === "string") return new ApiError(detail, { status, command });
    if (Array.isArray(detail)) {
      const lines = detail.map((each) => `${(each.loc ?? []).join(".")}: ${each.msg}`);
      return new ApiError("API가 요청을 거절했습니다.", { status, lines });
    }
    if (detail && typeof detail === "object")
      return refusedWithDetails(status, { command, ...detail });
    return new ApiError(`API가 오류로 답했습니다 (HTTP ${status}).`, { status });
  }

  function refusedWithDetails(status, { command = null, missing, ...rest }) {
    const said = Object.values(rest).filter((value) => typeof value === "string");
    const lines = Array.isArray(missing) ? missing : [];
    const message = lines.length
      ? "스냅샷에 필요한 테이블이나 열이 없습니다."
      : (said.shift() ?? `API가 오류로 답했습니다 (HTTP ${status}).`);
    return new ApiError(message, { status, lines: [...lines, ...said], command });
  }

  function readToken() {
    try {
      return window.sessionStorage.getItem(TOKEN_KEY);
    } catch {
      return null;
    }
  }

  function keepToken(token) {
    window.sessionStorage.setItem(TOKEN_KEY, token);
  }

  const part = encodeURIComponent;

  return { ApiError, get, base, keepToken, part };
})();
