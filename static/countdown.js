"use strict";
/* Redraws remaining and past times each second. The words are those of
   dashboard/instances/clock.py; a test holds the two together.

   Every text is worked out anew from an absolute moment, never decremented. "Now" is the
   server's: its clock as drawn into the page, plus the time passed since by the browser's
   steady clock, so a wrong clock on the desk does not matter. */
{
  const MINUTE = 60, HOUR = 3600, DAY = 86400;
  const THRESHOLDS = [60 * MINUTE, 15 * MINUTE, 5 * MINUTE];
  const DUE_TEXT = "due, waiting for ModelArts";

  const remainingText = (s) => {
    if (s > 2 * DAY) return `${Math.floor(s / DAY)} d ${Math.floor((s % DAY) / HOUR)} h`;
    if (s >= HOUR) return `${Math.floor(s / HOUR)} h ${Math.floor((s % HOUR) / MINUTE)} min`;
    if (s >= 5 * MINUTE) return `${Math.floor(s / MINUTE)} min`;
    if (s >= MINUTE) return `${Math.floor(s / MINUTE)} min ${s % MINUTE} s`;
    return `${s} s`;
  };

  const agoText = (s) => {
    if (s < 5) return "just now";
    if (s < MINUTE) return `${s} s ago`;
    if (s < HOUR) return `${Math.floor(s / MINUTE)} min ago`;
    if (s < 2 * DAY) return `${Math.floor(s / HOUR)} h ago`;
    return `${Math.floor(s / DAY)} d ago`;
  };

  const urgency = (s) => {
    if (s <= 0) return "overdue";
    if (s < 5 * MINUTE) return "now";
    if (s < 15 * MINUTE) return "near";
    return s < HOUR ? "soon" : "none";
  };

  /* Server time at the moment when the steady clock stood at zero. The page's own "now"
     was written just before its first byte came. */
  const opened = performance.getEntriesByType("navigation")[0]?.responseStart ?? performance.now();
  let zero = Number(document.documentElement.dataset.now) - opened;
  let wall = Date.now() - performance.now();
  const now = () => zero + performance.now();

  const setText = (element, text) => {
    if (element && element.textContent !== text) element.textContent = text;
  };

  const announce = (text) => setText(document.getElementById("announcer"), text);

  const secondsLeft = new WeakMap();

  const drawCountdown = (element) => {
    const left = Math.ceil((Number(element.dataset.stopsAt) - now()) / 1000);
    const before = secondsLeft.get(element);
    secondsLeft.set(element, left);
    const due = left <= 0;
    element.dataset.urgency = urgency(left);
    element.dataset.state = due ? "due" : "counting";
    setText(element.querySelector(".clock-text"), due ? DUE_TEXT : remainingText(left));
    setText(element.querySelector(".clock-verb"), due ? "was due" : "stops");
    if (before === undefined) return;
    const name = element.dataset.label;
    if (due && before > 0) {
      announce(`${name}: ${DUE_TEXT}`);
      element.dispatchEvent(new CustomEvent("curfew:due", { bubbles: true }));
    } else if ("announce" in element.dataset) {
      const passed = THRESHOLDS.findLast((threshold) => left <= threshold && before > threshold);
      if (passed) announce(`${name} stops in ${passed / MINUTE} minutes`);
    }
  };

  const drawAge = (element) => {
    const ms = now() - Number(element.dataset.ago);
    const seconds = Math.max(0, Math.floor(ms / 1000));
    setText(element, (element.dataset.before ?? "") + agoText(seconds));
    if (!element.dataset.stale) return;
    if (ms >= Number(element.dataset.stale)) element.dataset.age = "stale";
    else element.dataset.age = ms >= Number(element.dataset.old) ? "old" : "fresh";
  };

  const draw = () => {
    document.querySelectorAll("[data-stops-at]").forEach(drawCountdown);
    document.querySelectorAll("[data-ago]").forEach(drawAge);
    /* The steady clock stands still while some machines sleep. Then the two clocks have
       drifted apart, and only the server knows the time. */
    const drift = Date.now() - performance.now() - wall;
    if (Math.abs(drift) > 3000) {
      wall += drift;
      document.dispatchEvent(new CustomEvent("curfew:lost-time"));
    }
  };

  /* On the second, so that all clocks of the page turn together. */
  const tick = () => {
    draw();
    setTimeout(tick, 1000 - (now() % 1000));
  };

  document.addEventListener("curfew:now", (event) => {
    zero = event.detail - performance.now();
    draw();
  });
  document.addEventListener("htmx:load", draw);
  document.addEventListener("visibilitychange", draw);
  addEventListener("pageshow", draw);
  tick();
}
