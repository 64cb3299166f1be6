// What proves who asks: a token, or a user and a password. It is kept for this tab only, as the
// Authorization header that is sent, and only to the host and port that it was given for.
"use strict";

const Proof = (() => {
  const KEY = "salesmap.authorization";
  const key = () => `${KEY} ${origin}`;
  // A header takes no Korean and no line break; a password is written as base64, so it may be any.
  const SENDABLE = /^[\x20-\x7e]+$/;

  let origin = "";
  let kept = null;

  // Say which API is asked: what was given for another one is not sent there.
  function belongTo(base) {
    const next = new URL(base).origin;
    if (next === origin) return;
    origin = next;
    kept = null;
  }

  // Returns the header, or null. One that no request can carry is dropped: the API asks again.
  function header() {
    const found = kept ?? stored();
    if (found !== null && !SENDABLE.test(found)) {
      keep(null);
      return null;
    }
    return found;
  }

  function stored() {
    try {
      return window.sessionStorage.getItem(key());
    } catch {
      return null;
    }
  }

  // A browser may refuse to store it; then it lasts until the page is loaded again.
  function keep(header) {
    kept = header;
    try {
      if (header === null) window.sessionStorage.removeItem(key());
      else window.sessionStorage.setItem(key(), header);
    } catch {
      // refused: see above
    }
  }

  const isSendable = (token) => SENDABLE.test(token);
  const ofToken = (token) => `Bearer ${token}`;

  function ofPassword(user, password) {
    const bytes = new TextEncoder().encode(`${user}:${password}`);
    return `Basic ${window.btoa(String.fromCharCode(...bytes))}`;
  }

  return { belongTo, header, keep, isSendable, ofToken, ofPassword };
})();
