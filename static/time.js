"use strict";
/* Moments in the viewer's zone. The server draws them in the zone that the cookie names;
   on a first visit it does not know, so every <time data-format> is redrawn here.
   Formats as in dashboard/web/templatetags/pages.py, in the page's language. */
{
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZoneName: "short" };
  const language = document.documentElement.lang || "en";
  const isEnglish = language === "en";
  const date = isEnglish
    ? { day: "numeric", month: "short", year: "numeric" }
    : { day: "2-digit", month: "2-digit", year: "numeric" };
  const formats = {
    stop: { weekday: "short", ...clock },
    moment: { ...date, ...clock },
    second: { ...date, ...clock, second: "2-digit" },
  };
  const writers = Object.fromEntries(
    Object.entries(formats).map(([name, parts]) => [name, new Intl.DateTimeFormat(isEnglish ? "en-GB" : language, parts)]),
  );

  const draw = (root) => {
    for (const time of root.querySelectorAll("time[data-format]")) {
      const moment = new Date(time.dateTime);
      const writer = writers[time.dataset.format];
      if (!writer || Number.isNaN(moment.valueOf())) continue;
      // "Mon, 14:05" is one comma more than the server writes.
      const text = writer.format(moment).replace(/^(\p{L}+)\.?,/u, "$1");
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
