"use strict";
/* Notifications of the browser: of what came since the page was drawn, once per browser
   and only after a click has asked for them. */
{
  const gettext = window.gettext ?? ((text) => text);
  const KEY = "curfew-browser-notifications";
  const link = document.querySelector(".inbox-link");
  const isOn = () => localStorage.getItem(KEY) === "on" && Notification.permission === "granted";

  const show = async () => {
    const response = await fetch(link.dataset.newest, { headers: { Accept: "application/json" } });
    if (response.status !== 200) return;
    const { title, tag, url } = await response.json();
    // All open tabs show the same tag, and so one notification.
    const notification = new Notification(title, { tag, body: "Curfew", icon: document.querySelector("link[rel=icon]").href });
    notification.addEventListener("click", () => {
      focus();
      location.assign(url);
    });
  };

  if (link && "Notification" in window) {
    let known = Number.parseInt(document.getElementById("unread-number").textContent, 10);
    document.addEventListener("curfew:unread", ({ detail: { unread } }) => {
      if (unread > known && isOn()) show().catch(() => {});
      known = unread;
    });
  }

  const line = document.getElementById("browser-notices");
  if (line && !("Notification" in window)) line.hidden = true;
  else if (line) {
    const [on, off] = [line.querySelector("[data-turn-on]"), line.querySelector("[data-turn-off]")];
    const draw = () => {
      const isBlocked = Notification.permission === "denied";
      on.hidden = isOn() || isBlocked;
      off.hidden = !isOn();
      line.querySelector("[role=status]").textContent =
        isBlocked ? gettext("Your browser blocks them. Allow notifications in its settings for this site.") : "";
    };
    on.addEventListener("click", async () => {
      if ((await Notification.requestPermission()) === "granted") localStorage.setItem(KEY, "on");
      draw();
    });
    off.addEventListener("click", () => {
      localStorage.removeItem(KEY);
      draw();
    });
    draw();
  }
}
