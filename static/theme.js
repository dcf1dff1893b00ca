"use strict";
/* The choice of the theme. The button cycles through the theme that the system does not
   have, the one it has, and the system's own choice. The choice is a cookie, because
   signing out clears what else the browser stores. The server draws pages in it, so that
   their first paint waits for no script. */
{
  const root = document.documentElement;
  const COOKIE = location.protocol === "https:" ? "__Host-curfew_theme" : "curfew_theme";
  const secure = location.protocol === "https:" ? "; Secure" : "";
  const stored = document.cookie.split("; ").find((cookie) => cookie.startsWith(`${COOKIE}=`))?.split("=")[1];
  const apply = (theme) => {
    if (theme === "system") delete root.dataset.theme;
    else root.dataset.theme = theme;
  };
  const current = () => root.dataset.theme ?? "system";

  // Pages of errors are drawn without the cookie, and load this script first.
  if (["light", "dark"].includes(stored)) apply(stored);

  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme-button");
    const name = document.getElementById("theme-name");
    if (!button) return;
    const gettext = window.gettext ?? ((text) => text);
    const labels = { system: gettext("System"), light: gettext("Light"), dark: gettext("Dark") };
    const showLabel = () => {
      name.textContent = labels[current()];
      button.title = gettext("Theme: %(theme)s").replace("%(theme)s", labels[current()]);
    };
    showLabel();
    button.addEventListener("click", () => {
      const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
      const order = isDark ? ["system", "light", "dark"] : ["system", "dark", "light"];
      apply(order[(order.indexOf(current()) + 1) % order.length]);
      const age = current() === "system" ? 0 : 31536000;
      document.cookie = `${COOKIE}=${current()}; Path=/; Max-Age=${age}; SameSite=Lax${secure}`;
      showLabel();
    });
  });
}
