// Keeps the page fresh without losing the reader's place. Everything works without it.
(() => {
  "use strict";
  const every = Number(document.body.dataset.refresh || 0);
  const busy = () => {
    const at = document.activeElement;
    return document.hidden || (at && at.matches("input, select, textarea")) ||
      String(window.getSelection()).length > 0;
  };
  const refresh = async () => {
    if (busy()) return;
    try {
      const reply = await fetch(location.href, { headers: { "X-Refresh": "1" } });
      if (!reply.ok || reply.redirected) return;
      const next = new DOMParser().parseFromString(await reply.text(), "text/html");
      const open = [...document.querySelectorAll("main details")].map((d) => d.open);
      const book = document.querySelector(".runbook");
      const read = book ? book.scrollTop : 0;
      for (const part of ["#main", ".bar"]) {
        const now = document.querySelector(part), then = next.querySelector(part);
        if (now && then) now.replaceWith(document.adoptNode(then));
      }
      document.querySelectorAll("main details").forEach((d, i) => { d.open = Boolean(open[i]); });
      const again = document.querySelector(".runbook");
      if (again) again.scrollTop = read;
      document.title = next.title;
    } catch {
      const pulse = document.querySelector(".pulse");
      if (pulse) { pulse.className = "pulse late"; pulse.textContent = "vigil does not answer"; }
    }
  };
  if (every > 0) setInterval(refresh, every * 1000);
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form.tools");
    if (form) form.requestSubmit();
  });
})();
