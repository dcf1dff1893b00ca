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

/* The command palette: Ctrl+K or Cmd+K opens it, the server finds, Enter follows the chosen
   link. The focus stays in the text; aria-activedescendant names the option, as the ARIA
   Authoring Practices describe for a combobox with a listbox. */
{
  const ngettext = window.ngettext ?? ((one, many, number) => (number === 1 ? one : many));
  const byId = (id) => document.getElementById(id);
  const dialog = byId("palette");
  const text = byId("palette-text");
  const list = byId("palette-options");
  const options = () => [...list.querySelectorAll("[role=option]")];
  const chosen = () => list.querySelector("[aria-selected=true]");

  const choose = (option) => {
    for (const other of options()) other.setAttribute("aria-selected", String(other === option));
    if (option) text.setAttribute("aria-activedescendant", option.id);
    else text.removeAttribute("aria-activedescendant");
    option?.scrollIntoView({ block: "nearest" });
  };

  const open = () => {
    if (dialog.open) return;
    dialog.showModal();
    text.select();
    htmx.trigger(text, "curfew:palette");
  };

  const step = (by) => {
    const all = options();
    if (all.length === 0) return;
    const here = all.indexOf(chosen());
    choose(all[(here + by + all.length) % all.length]);
  };

  const keys = {
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    Enter: () => chosen()?.click(),
  };

  const button = byId("palette-button");
  button.addEventListener("click", open);

  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
    event.preventDefault();
    open();
  });

  text.addEventListener("keydown", (event) => {
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });

  list.addEventListener("pointermove", ({ target }) => {
    const option = target.closest("[role=option]");
    if (option && option !== chosen()) choose(option);
  });
  // The page stays if the link opens in another tab.
  list.addEventListener("click", ({ target }) => target.closest("[role=option]") && dialog.close());
  dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());

  document.addEventListener("htmx:afterSwap", ({ detail }) => {
    if (detail.requestConfig?.elt !== text) return;
    const number = options().length;
    text.setAttribute("aria-expanded", String(number > 0));
    choose(options()[0]);
    byId("palette-count").textContent = ngettext("%(number)s result", "%(number)s results", number).replace("%(number)s", number);
  });
}

/* On a narrow screen the navigation scrolls: to where one is, and so when it is turned. */
{
  const nav = document.querySelector(".topnav");
  const current = nav?.querySelector("[aria-current]");
  const showCurrent = () => {
    nav.scrollLeft = current.offsetLeft - nav.offsetLeft - 48;
  };
  if (current) {
    showCurrent();
    addEventListener("resize", showCurrent);
  }
}
