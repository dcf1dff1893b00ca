"use strict";
/* The chosen colours, before the first paint. The button in the bar goes round: the other
   one than the system has, the same as it has, and as the system has it (not chosen). */
{
  const root = document.documentElement;
  const words = {
    colours: "Colours",
    system: "as the system",
    light: "light",
    dark: "dark",
    ...JSON.parse(root.dataset.words ?? "{}"),
  };

  const stored = () => {
    try {
      return localStorage.getItem("curfew-theme");
    } catch {
      return null; // Storage may be forbidden; then the choice lasts for this page.
    }
  };
  const apply = (theme) => {
    if (theme === "system") delete root.dataset.theme;
    else root.dataset.theme = theme;
  };
  const current = () => root.dataset.theme ?? "system";

  const saved = stored();
  if (["light", "dark"].includes(saved)) apply(saved);

  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme-button");
    const name = document.getElementById("theme-name");
    if (!button) return;
    button.hidden = false;
    const tell = () => {
      name.textContent = words[current()];
      button.title = `${words.colours}: ${words[current()]}`;
    };
    tell();
    button.addEventListener("click", () => {
      const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
      const order = isDark ? ["system", "light", "dark"] : ["system", "dark", "light"];
      apply(order[(order.indexOf(current()) + 1) % order.length]);
      try {
        localStorage.setItem("curfew-theme", current());
      } catch {
        // See above.
      }
      tell();
    });
  });
}
