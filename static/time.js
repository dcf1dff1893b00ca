"use strict";
/* Moments in the viewer's zone. The server draws them in the zone that the cookie names;
   on a first visit it does not know, so every <time data-format> is redrawn here.
   Formats as in dashboard/web/templatetags/pages.py, in the page's language. Zones have
   the server's names: data-zone-names has them by offset, for the zone in data-zone. */
{
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const language = document.documentElement.lang || "en";
  const isEnglish = language === "en";
  const date = isEnglish
    ? { day: "numeric", month: "short", year: "numeric" }
    : { day: "2-digit", month: "2-digit", year: "numeric" };
  const dayAndMonth = { day: date.day, month: date.month };
  const formats = {
    stop: { weekday: "short", ...clock },
    stopOnAnotherDay: { weekday: "short", ...dayAndMonth, ...clock },
    moment: { ...date, ...clock },
    second: { ...date, ...clock, second: "2-digit" },
  };
  const writers = Object.fromEntries(
    Object.entries(formats).map(([name, parts]) => [name, new Intl.DateTimeFormat(isEnglish ? "en-GB" : language, parts)]),
  );

  /* Where the server does not know the zone yet, the browser's name for it stands. */
  const root = document.documentElement;
  const isKnown = zone === root.dataset.zone;
  const names = isKnown ? JSON.parse(root.dataset.zoneNames) : {};
  const zoneWriter = (locale, timeZoneName) => new Intl.DateTimeFormat(locale, { timeZoneName });
  const short = zoneWriter(isEnglish ? "en-GB" : language, "short");
  const offset = zoneWriter("en", "longOffset");
  const part = (writer, moment) => writer.formatToParts(moment).find(({ type }) => type === "timeZoneName").value;
  const zoneName = (moment) => names[part(offset, moment)] ?? part(short, moment);

  // A stop on another day is told with its date: a weekday alone may mean any week.
  const formatOf = (name, moment) => {
    const now = new Date();
    if (name !== "stop" || moment.toDateString() === now.toDateString()) return name;
    return moment.getFullYear() === now.getFullYear() ? "stopOnAnotherDay" : "moment";
  };

  const draw = (root) => {
    for (const time of root.querySelectorAll("time[data-format]")) {
      const moment = new Date(time.dateTime);
      if (Number.isNaN(moment.valueOf())) continue;
      const writer = writers[formatOf(time.dataset.format, moment)];
      if (!writer) continue;
      // "Mon, 14:05" is one comma more than the server writes.
      const text = `${writer.format(moment).replace(/^(\p{L}+)\.?,/u, "$1")} ${zoneName(moment)}`;
      if (time.textContent !== text) time.textContent = text;
    }
  };

  if (zone) {
    const cookie = `curfew_tz=${zone}; Path=/; Max-Age=31536000; SameSite=Lax`;
    document.cookie = location.protocol === "https:" ? `__Host-${cookie}; Secure` : cookie;
  }
  draw(document);
  document.addEventListener("htmx:load", (event) => draw(event.target));
}
