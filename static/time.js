"use strict";
/* Moments in the viewer's zone. The server draws them in the zone that the person has
   chosen (data-zone-chosen) or that the cookie names; on a first visit it knows neither,
   so every <time data-format> is redrawn here.
   Formats as in dashboard/web/templatetags/pages.py, in the page's language. Zones have
   the server's names: data-zone-names has them by offset, for the zone in data-zone. */
{
  const root = document.documentElement;
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const zone = "zoneChosen" in root.dataset ? root.dataset.zone : own;
  const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const language = root.lang || "en";
  const locale = language === "en" ? "en-GB" : language;
  const date = language === "de"
    ? { day: "2-digit", month: "2-digit", year: "numeric" }
    : { day: "numeric", month: "short", year: "numeric" };
  // Django has no other abbreviation of a Chinese weekday.
  const weekday = language.startsWith("zh") ? "long" : "short";
  const dayAndMonth = { day: date.day, month: date.month };
  const formats = {
    stop: { weekday, ...clock },
    stopOnAnotherDay: { weekday, ...dayAndMonth, ...clock },
    moment: { ...date, ...clock },
    second: { ...date, ...clock, second: "2-digit" },
  };
  const writers = Object.fromEntries(
    Object.entries(formats).map(([name, parts]) => [name, new Intl.DateTimeFormat(locale, { ...parts, timeZone: zone })]),
  );

  /* Where the server does not know the zone yet, the browser's name for it stands. */
  const isKnown = zone === root.dataset.zone;
  const names = isKnown ? JSON.parse(root.dataset.zoneNames) : {};
  const zoneWriter = (language, timeZoneName) => new Intl.DateTimeFormat(language, { timeZoneName, timeZone: zone });
  const short = zoneWriter(locale, "short");
  const offset = zoneWriter("en", "longOffset");
  const part = (writer, moment) => writer.formatToParts(moment).find(({ type }) => type === "timeZoneName").value;
  const zoneName = (moment) => names[part(offset, moment)] ?? part(short, moment);

  // A stop on another day has its date: a weekday alone may mean any week.
  const day = new Intl.DateTimeFormat("sv", { timeZone: zone, dateStyle: "short" });
  const formatOf = (name, moment) => {
    const [its, today] = [moment, new Date()].map((each) => day.format(each));
    if (name !== "stop" || its === today) return name;
    return its.slice(0, 4) === today.slice(0, 4) ? "stopOnAnotherDay" : "moment";
  };

  const draw = (root) => {
    for (const time of root.querySelectorAll("time[data-format]")) {
      const moment = new Date(time.dateTime);
      if (Number.isNaN(moment.valueOf())) continue;
      const writer = writers[formatOf(time.dataset.format, moment)];
      if (!writer) continue;
      // "Mon, 14:05" is one comma more than the server writes, "12月1日星期二14:05" two spaces less.
      const written = writer.format(moment).replace(/^(\p{L}+)\.?,/u, "$1").replace(/(?=星期)(?<=日)|(?<=星期.)(?=\d)/gu, " ");
      const text = `${written} ${zoneName(moment)}`;
      if (time.textContent !== text) time.textContent = text;
    }
  };

  if (own) {
    const cookie = `curfew_tz=${own}; Path=/; Max-Age=31536000; SameSite=Lax`;
    document.cookie = location.protocol === "https:" ? `__Host-${cookie}; Secure` : cookie;
  }
  draw(document);
  document.addEventListener("htmx:load", (event) => draw(event.target));
  document.addEventListener("curfew:moment", (event) => draw(event.target.parentElement));
}
