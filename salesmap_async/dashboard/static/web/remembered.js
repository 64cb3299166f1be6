// What the browser remembers between visits: theme, open menu sections.
// A browser may refuse to; then nothing is remembered and everything else works.
"use strict";

const Remembered = (() => {
  const PREFIX = "salesmap.";

  function read(key) {
    try {
      return window.localStorage.getItem(PREFIX + key);
    } catch {
      return null;
    }
  }

  function write(key, value) {
    try {
      window.localStorage.setItem(PREFIX + key, value);
    } catch {
      // refused: see above
    }
  }

  return { read, write };
})();
