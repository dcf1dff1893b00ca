"use strict";
/* The chosen colours, before the first paint; the button in the bar goes round
   system, light, dark. Not chosen means: as the system has it. */
{
  const NAMES = { system: "as the system", light: "light", dark: "dark" };
  const ORDER = Object.keys(NAMES);
  const root = document.documentElement;

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
  if (ORDER.includes(saved)) apply(saved);

  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme-button");
    const name = document.getElementById("theme-name");
    if (!button) return;
    button.hidden = false;
    const tell = () => {
      name.textContent = NAMES[current()];
      button.title = `Colours: ${NAMES[current()]}`;
    };
    tell();
    button.addEventListener("click", () => {
      apply(ORDER[(ORDER.indexOf(current()) + 1) % ORDER.length]);
      try {
        localStorage.setItem("curfew-theme", current());
      } catch {
        // See above.
      }
      tell();
    });
  });
}
