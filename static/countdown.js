"use strict";
/* Redraws remaining and past times each second. The words are those of
   dashboard/instances/lengths.py; tests hold the two together. Those of another language
   stand in data-clock of <html>.

   Every text is worked out anew from an absolute moment, never decremented. "Now" is the
   server's: its clock as drawn into the page, plus the time passed since by the browser's
   steady clock, so a wrong clock on the desk does not matter. */
{
  const MINUTE = 60, HOUR = 3600, DAY = 86400;
  const THRESHOLDS = [60 * MINUTE, 15 * MINUTE, 5 * MINUTE];
  const words = {
    days: "%(d)s d %(h)s h",
    hours: "%(h)s h %(min)s min",
    minutes: "%(min)s min",
    few: "%(min)s min %(s)s s",
    seconds: "%(s)s s",
    just_now: "just now",
    seconds_ago: "%(s)s s ago",
    minutes_ago: "%(min)s min ago",
    hours_ago: "%(h)s h ago",
    days_ago: "%(d)s d ago",
    due: "stopping…",
    overdue: "overdue",
    scheduled_for: "scheduled for",
    was_due: "was due",
    stops: "stops",
    soon: "%(name)s stops in %(min)s minutes",
    ...JSON.parse(document.documentElement.dataset.clock ?? "{}"),
  };
  const say = (name, values = {}) => words[name].replace(/%\((\w+)\)s/g, (_, key) => values[key]);

  const remainingText = (s) => {
    if (s > 2 * DAY) return say("days", { d: Math.floor(s / DAY), h: Math.floor((s % DAY) / HOUR) });
    if (s >= HOUR) return say("hours", { h: Math.floor(s / HOUR), min: Math.floor((s % HOUR) / MINUTE) });
    if (s >= 5 * MINUTE) return say("minutes", { min: Math.floor(s / MINUTE) });
    if (s >= MINUTE) return say("few", { min: Math.floor(s / MINUTE), s: s % MINUTE });
    return say("seconds", { s });
  };

  const agoText = (s) => {
    if (s < 5) return say("just_now");
    if (s < MINUTE) return say("seconds_ago", { s });
    if (s < HOUR) return say("minutes_ago", { min: Math.floor(s / MINUTE) });
    if (s < 2 * DAY) return say("hours_ago", { h: Math.floor(s / HOUR) });
    return say("days_ago", { d: Math.floor(s / DAY) });
  };

  const overdueAfter = Number(document.documentElement.dataset.overdueAfter) / 1000;
  const VERBS = { due: "scheduled_for", overdue: "was_due" };

  const urgency = (s) => {
    if (s <= 0) return -s >= overdueAfter ? "overdue" : "due";
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
    const near = urgency(left);
    element.dataset.urgency = near;
    element.dataset.state = due ? near : "counting";
    setText(element.querySelector(".clock-text"), due ? words[near] : remainingText(left));
    setText(element.querySelector(".clock-verb"), words[VERBS[near] ?? "stops"]);
    if (before === undefined) return;
    const name = element.dataset.label;
    if (due && before > 0) {
      announce(`${name}: ${words.due}`);
      element.dispatchEvent(new CustomEvent("curfew:due", { bubbles: true }));
    } else if ("announce" in element.dataset) {
      const passed = THRESHOLDS.findLast((threshold) => left <= threshold && before > threshold);
      if (passed) announce(say("soon", { name, min: passed / MINUTE }));
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
