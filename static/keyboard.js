"use strict";
/* Shortcuts: / to search, j k or arrows to walk the rows, e to edit, + to extend,
   ? for help.
   Enter needs nothing: the row's link has the focus. */
{
  const dialog = document.getElementById("keyboard");
  document.getElementById("keyboard-button")?.addEventListener("click", () => dialog.showModal());

  /* Speech input types letters by accident (WCAG 2.1.4), so they can be switched off. In
     a cookie, since signing out clears what else the browser stores. */
  const root = document.documentElement;
  const COOKIE = location.protocol === "https:" ? "__Host-curfew_shortcuts" : "curfew_shortcuts";
  const isOff = () => document.cookie.split("; ").includes(`${COOKIE}=off`);
  const apply = () => {
    if (isOff()) root.dataset.shortcuts = "off";
    else delete root.dataset.shortcuts;
  };
  apply();
  const choice = document.getElementById("shortcuts");
  if (choice) {
    choice.checked = !isOff();
    choice.addEventListener("change", () => {
      const age = choice.checked ? 0 : 31536000;
      const secure = location.protocol === "https:" ? "; Secure" : "";
      document.cookie = `${COOKIE}=off; Path=/; Max-Age=${age}; SameSite=Lax${secure}`;
      apply();
    });
  }

  /* A row of a table, or a card that stands for an instance. */
  const rowOf = () => document.activeElement.closest("tr, [data-instance]");
  const links = () => [...document.querySelectorAll("[data-row-link]")];

  const walk = (step) => {
    const all = links();
    const row = rowOf();
    const here = row ? all.indexOf(row.querySelector("[data-row-link]")) : -1;
    const next = here < 0 ? (step > 0 ? 0 : all.length - 1) : here + step;
    all[next]?.focus();
    return all.length > 0;
  };

  const press = (selector) => {
    const link = rowOf()?.querySelector(selector);
    link?.click();
    return Boolean(link);
  };

  const inRow = () => rowOf() !== null;

  const actions = {
    "/": () => {
      const search = document.getElementById("q");
      search?.select();
      search?.focus();
      return Boolean(search);
    },
    "?": () => {
      dialog?.showModal();
      return Boolean(dialog);
    },
    j: () => walk(1),
    k: () => walk(-1),
    // Outside the table the arrows scroll, as everywhere.
    ArrowDown: ({ shiftKey }) => !shiftKey && inRow() && walk(1),
    ArrowUp: ({ shiftKey }) => !shiftKey && inRow() && walk(-1),
    e: () => press("[data-row-edit]") || press("[data-row-extend]"),
    "+": () => press("[data-row-extend]"),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target.closest("input, select, textarea, dialog, [contenteditable]")) return;
    if (root.dataset.shortcuts === "off" && event.key.length === 1) return;
    if (actions[event.key]?.(event)) event.preventDefault();
  });
}
