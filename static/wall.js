"use strict";
/* A wallboard beside what all pages have: its clock, and reloading itself when there
   is a new release or the link was revoked. Polls and countdowns are those of
   polling.js and countdown.js. */
{
  const root = document.documentElement;
  const opened = performance.now();
  const PATIENCE = 60_000; // Two servers of two releases must not have it reload for ever.

  const again = () => location.reload();
  const younger = (release) => {
    if (release && release !== root.dataset.release && performance.now() - opened > PATIENCE) again();
  };
  document.addEventListener("curfew:release", (event) => younger(event.detail.release));
  document.addEventListener("htmx:load", () => younger(document.getElementById("poller")?.dataset.release));

  document.addEventListener("htmx:afterRequest", (event) => {
    const { status } = event.detail.xhr;
    // Gone: the page itself says why. Any other refusal may be over in a minute.
    if (status === 404) again();
    else if (status >= 400 && status < 500 && status !== 408 && status !== 429) setTimeout(again, PATIENCE);
  });

  /* The server's time in the wall's zone, whatever the screen's own clock says. */
  let zero = Number(root.dataset.now) - performance.now();
  document.addEventListener("curfew:now", (event) => {
    zero = event.detail - performance.now();
  });
  const weekday = root.lang.startsWith("zh") ? "long" : "short";
  const parts = { weekday, day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const locale = root.lang === "en" ? "en-GB" : root.lang;
  const writer = new Intl.DateTimeFormat(locale, { ...parts, timeZone: root.dataset.zone });
  /* By the server's names, as in time.js. */
  const names = JSON.parse(root.dataset.zoneNames);
  const offset = new Intl.DateTimeFormat("en", { timeZone: root.dataset.zone, timeZoneName: "longOffset" });
  const zoneName = (moment) => names[offset.formatToParts(moment).find(({ type }) => type === "timeZoneName").value];
  const briefly = (moment) => {
    const told = Object.fromEntries(writer.formatToParts(moment).map(({ type, value }) => [type, value]));
    return `${told.weekday} ${told.day} ${told.month}, ${told.hour}:${told.minute}`;
  };
  const set = (id, text) => {
    const element = document.getElementById(id);
    if (element.textContent !== text) element.textContent = text;
  };
  const draw = () => {
    const now = new Date(zero + performance.now());
    // Spaces as in time.js.
    const written = () => writer.format(now).replace(/(?=星期)(?<=日)|(?<=星期.)(?=\d)/gu, " ");
    set("clock", locale === "en-GB" ? briefly(now) : written());
    set("zone", zoneName(now) ?? document.getElementById("zone").textContent);
  };
  draw();
  setInterval(draw, 1000);
}
