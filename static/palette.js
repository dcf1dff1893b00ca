"use strict";
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
