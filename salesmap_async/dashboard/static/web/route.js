// The address is the state: #<screen>?<what is selected>. Every selection is written there, so
// that the back button, a reload and a sent link lead to the same view.
"use strict";

const Route = (() => {
  function read() {
    const [screen, query = ""] = window.location.hash.slice(1).split("?", 2);
    return { screen: safeDecoded(screen), params: Object.fromEntries(new URLSearchParams(query)) };
  }

  function safeDecoded(text) {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  }

  function hash(screen, params = {}) {
    const kept = Object.entries(params).filter(
      ([, value]) => value !== null && value !== undefined && value !== "",
    );
    const query = new URLSearchParams(kept).toString();
    return `#${encodeURIComponent(screen)}${query ? `?${query}` : ""}`;
  }

  // A step of the person: it can be taken back. Returns whether there was one to take.
  function go(screen, params) {
    const next = hash(screen, params);
    if (next === window.location.hash) return false;
    window.location.hash = next;
    return true;
  }

  // A step of the page itself (the first person of a list): it leaves no trace in the history.
  function settle(screen, params) {
    window.history.replaceState(null, "", hash(screen, params));
  }

  return { read, hash, go, settle };
})();
