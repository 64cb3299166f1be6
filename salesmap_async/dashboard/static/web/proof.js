// What proves who asks: a token, or a user and a password. It is kept for this tab only, as the
// Authorization header that is sent.
"use strict";

const Proof = (() => {
  const KEY = "salesmap.authorization";
  // A header takes no Korean and no line break; a password is written as base64, so it may be any.
  const SENDABLE = /^[\x20-\x7e]+$/;

  let kept = null;

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
      return window.sessionStorage.getItem(KEY);
    } catch {
      return null;
    }
  }

  // A browser may refuse to store it; then it lasts until the page is loaded again.
  function keep(header) {
    kept = header;
    try {
      if (header === null) window.sessionStorage.removeItem(KEY);
      else window.sessionStorage.setItem(KEY, header);
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

  return { header, keep, isSendable, ofToken, ofPassword };
})();
