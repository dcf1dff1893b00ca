"use strict";
/* Redraws remaining and past times each second, with the messages of
   dashboard/instances/durations.py; tests compare the two.

   Every text is computed from an absolute moment, never decremented. "Now" is the
   server's: its clock as drawn into the page, plus the time passed since by the browser's
   steady clock, so a wrong clock on the desk does not matter. */
{
  const MINUTE = 60, HOUR = 3600, DAY = 86400;
  const THRESHOLDS = [60 * MINUTE, 15 * MINUTE, 5 * MINUTE];
  const gettext = window.gettext ?? ((text) => text);
  const fill = (text, values) => text.replace(/%\((\w+)\)s/g, (_, name) => values[name]);

  const remainingText = (s) => {
    if (s > 2 * DAY) return fill(gettext("%(d)s d %(h)s h"), { d: Math.floor(s / DAY), h: Math.floor((s % DAY) / HOUR) });
    if (s >= HOUR) return fill(gettext("%(h)s h %(min)s min"), { h: Math.floor(s / HOUR), min: Math.floor((s % HOUR) / MINUTE) });
    if (s >= 5 * MINUTE) return fill(gettext("%(min)s min"), { min: Math.floor(s / MINUTE) });
    if (s >= MINUTE) return fill(gettext("%(min)s min %(s)s s"), { min: Math.floor(s / MINUTE), s: s % MINUTE });
    return fill(gettext("%(s)s s"), { s });
  };

  const agoText = (s) => {
    if (s < 5) return gettext("just now");
    if (s < MINUTE) return fill(gettext("%(s)s s ago"), { s });
    if (s < HOUR) return fill(gettext("%(min)s min ago"), { min: Math.floor(s / MINUTE) });
    if (s < 2 * DAY) return fill(gettext("%(h)s h ago"), { h: Math.floor(s / HOUR) });
    return fill(gettext("%(d)s d ago"), { d: Math.floor(s / DAY) });
  };

  const overdueAfter = Number(document.documentElement.dataset.overdueAfter) / 1000;
  const TEXTS = { due: gettext("stopping…"), overdue: gettext("overdue") };
  const VERBS = { due: gettext("scheduled for"), overdue: gettext("was due") };

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
    const ended = left <= 0;
    const level = urgency(left);
    const state = ended ? (level === "overdue" ? "overdue" : "due") : "counting";
    element.dataset.urgency = level;
    element.dataset.state = state;
    setText(element.querySelector(".clock-text"), TEXTS[state] ?? remainingText(left));
    setText(element.querySelector(".clock-verb"), VERBS[state] ?? gettext("stops"));
    if (before === undefined) return;
    const name = element.dataset.label;
    if (ended && before > 0) {
      announce(`${name}: ${TEXTS.due}`);
      element.dispatchEvent(new CustomEvent("curfew:due", { bubbles: true }));
    } else if ("announce" in element.dataset) {
      const passed = THRESHOLDS.findLast((threshold) => left <= threshold && before > threshold);
      if (passed) announce(fill(gettext("%(name)s stops in %(min)s minutes"), { name, min: passed / MINUTE }));
    }
  };

  /* What is true only until a moment that the server wrote. */
  const drawUntil = (element) => {
    element.hidden = Number(element.dataset.until) <= now();
  };

  /* The moment so many seconds from now, to the minute; time.js writes it. */
  const drawAhead = (element) => {
    const time = element.querySelector("time");
    const at = new Date(now() + Number(element.dataset.fromNow) * 1000);
    at.setSeconds(0, 0);
    if (time.dateTime === at.toISOString()) return;
    time.dateTime = at.toISOString();
    time.dispatchEvent(new Event("curfew:moment", { bubbles: true }));
  };

  const drawAge = (element) => {
    const ms = now() - Number(element.dataset.ago);
    const seconds = Math.max(0, Math.floor(ms / 1000));
    setText(element, (element.dataset.before ?? "") + agoText(seconds));
    if (!element.dataset.stale) return;
    if (ms >= Number(element.dataset.stale)) element.dataset.age = "stale";
    else element.dataset.age = ms >= Number(element.dataset.old) ? "old" : "fresh";
  };

  /* How much of a run has passed. */
  const drawBar = (bar) => {
    const { from, to } = bar.dataset;
    bar.value = Math.round((100 * (now() - from)) / (to - from));
  };

  const language = document.documentElement.lang || "en";
  const inCents = new Intl.NumberFormat(language, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const moneyText = (amount, currency) =>
    `${amount > 0 && amount < 0.01 ? "<" : ""}${inCents.format(amount > 0 ? Math.max(amount, 0.01) : 0)} ${currency}`;

  /* What some time costs at a price an hour: from now to data-cost-until, or
     data-cost-seconds without what is left until data-cost-after. */
  const drawCost = (element) => {
    const { price, currency, costUntil, costSeconds, costAfter } = element.dataset;
    const until = (ms) => Math.max(0, (Number(ms) - now()) / 1000);
    const seconds = costUntil ? until(costUntil) : Number(costSeconds) - (costAfter ? until(costAfter) : 0);
    setText(element, moneyText((price * Math.max(0, seconds)) / HOUR, currency));
  };

  const draw = () => {
    document.querySelectorAll("[data-stops-at]").forEach(drawCountdown);
    document.querySelectorAll("progress[data-from]").forEach(drawBar);
    document.querySelectorAll("[data-until]").forEach(drawUntil);
    document.querySelectorAll("[data-price]").forEach(drawCost);
    document.querySelectorAll("[data-from-now]:not([hidden])").forEach(drawAhead);
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
  document.addEventListener("curfew:redraw", draw);
  document.addEventListener("visibilitychange", draw);
  addEventListener("pageshow", draw);
  tick();
}
