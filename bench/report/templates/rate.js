"use strict";
// Number keys rate (0 is 10), S skips, the left arrow goes back. Keys wait until every view is
// there, and a key held down rates one mask only. The time is what the page was in sight, over
// reloads too.
{
  const form = document.getElementById("rate");
  const seconds = form.elements.namedItem("seconds");
  const key = `sam-bench-rate ${location.pathname}`;
  let before = 0;
  try {
    before = Number(sessionStorage.getItem(key)) || 0;
  } catch {
    before = 0; // a browser may keep nothing
  }
  let since = document.hidden ? null : performance.now();
  const spent = () => before + (since === null ? 0 : (performance.now() - since) / 1000);
  const remember = () => {
    try {
      sessionStorage.setItem(key, String(spent()));
    } catch {
      // then a reload starts anew
    }
  };
  document.addEventListener("visibilitychange", () => {
    before = spent();
    since = document.hidden ? null : performance.now();
    remember();
  });
  addEventListener("pagehide", remember);
  let ready = false;
  let sent = false;
  addEventListener("load", () => { ready = true; form.dataset.ready = "true"; });
  form.addEventListener("submit", (event) => {
    if (sent) return event.preventDefault();
    sent = true;
    seconds.value = spent().toFixed(2);
  });
  addEventListener("pageshow", () => { sent = false; });
  addEventListener("keydown", (event) => {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || !ready) return;
    const press = (selector) => {
      const found = document.querySelector(selector);
      if (found) {
        event.preventDefault();
        found.click();
      }
    };
    if (/^[0-9]$/.test(event.key)) press(`button[value="${event.key === "0" ? 10 : event.key}"]`);
    else if (event.key === "s" || event.key === "S") press("button[name=skip]");
    else if (event.key === "ArrowLeft") press("#back");
    else if (event.key === "ArrowRight") press("#on");
  });
}
