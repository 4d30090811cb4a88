// Brings in the LoRA page, again and again until the server has its routes: a WebUI shows its page
// before an extension can add any. Used by the WebUIs and by the standalone alike.
(function () {
  "use strict";
  const FIRST_WAIT_MS = 250;
  const LONGEST_WAIT_MS = 8000;
  const here = location.origin + location.pathname.replace(/\/?$/, "/");

  function bringIn(attempt, wait) {
    // Some browsers keep a failed import by its address, so each attempt has its own.
    import(new URL(`loradex/web/loradex.js?attempt=${attempt}`, here).href).catch(() => {
      setTimeout(() => bringIn(attempt + 1, Math.min(wait * 2, LONGEST_WAIT_MS)), wait);
    });
  }

  bringIn(1, FIRST_WAIT_MS);
}());
