"use strict";
/* Which instances are ticked, over pages, filters and polls: kept for this tab. The rows
   on the page post themselves; those elsewhere travel in the field "picked". */
{
  const gettext = window.gettext ?? ((text) => text);
  const KEY = "curfew-picked";
  const byId = (id) => document.getElementById(id);
  const ticks = () => [...document.querySelectorAll("input[name=pick]")];

  let picked = new Set();
  const read = () => {
    try {
      picked = new Set(JSON.parse(sessionStorage.getItem(KEY) ?? "[]"));
    } catch {
      picked = new Set();
    }
  };
  const write = () => {
    try {
      sessionStorage.setItem(KEY, JSON.stringify([...picked]));
    } catch {
      // Without storage the selection lasts as long as the page.
    }
  };

  const setText = (element, text) => {
    if (element.textContent !== text) element.textContent = text;
  };

  const draw = () => {
    const bar = byId("bulk");
    if (!bar) return;
    const here = ticks();
    for (const tick of here) tick.checked = picked.has(tick.value);
    const shown = here.filter((tick) => tick.checked).length;
    const elsewhere = picked.size - shown;
    const all = byId("pick-page");
    all.checked = here.length > 0 && shown === here.length;
    all.indeterminate = shown > 0 && shown < here.length;
    all.disabled = here.length === 0;
    byId("pick-none").hidden = picked.size === 0;
    for (const id of ["bulk-picked", "bulk-preview"]) byId(id).disabled = picked.size === 0;
    bar.toggleAttribute("data-any", picked.size > 0);
    bar.toggleAttribute("data-all", all.checked);
    const count = elsewhere > 0 ? gettext("%(number)s selected (%(elsewhere)s on other pages)") : gettext("%(number)s selected");
    setText(
      byId("picked-count"),
      picked.size === 0 ? "" : count.replace("%(number)s", picked.size).replace("%(elsewhere)s", elsewhere),
    );
    const listed = new Set(here.map((tick) => tick.value));
    byId("picked").value = [...picked].filter((pk) => !listed.has(pk)).join(",");
  };

  const changed = () => {
    write();
    draw();
  };

  if (document.currentScript?.hasAttribute("data-forget")) {
    // They have become a batch.
    changed();
  } else {
    read();
    document.addEventListener("change", ({ target }) => {
      if (target.name === "pick") {
        if (target.checked) picked.add(target.value);
        else picked.delete(target.value);
        changed();
      } else if (target.id === "pick-page") {
        for (const tick of ticks()) {
          if (target.checked) picked.add(tick.value);
          else picked.delete(tick.value);
        }
        changed();
      }
    });
    /* With Shift, all rows from the one that was clicked last get its new state. */
    let anchor = null;
    document.addEventListener("click", ({ target, shiftKey }) => {
      if (target.name !== "pick") return;
      const rows = ticks();
      const ends = [rows.findIndex(({ value }) => value === anchor), rows.indexOf(target)];
      anchor = target.value;
      if (!shiftKey || ends.includes(-1)) return;
      // The browser marks the text in between.
      getSelection().removeAllRanges();
      for (const { value } of rows.slice(Math.min(...ends), Math.max(...ends) + 1)) {
        if (target.checked) picked.add(value);
        else picked.delete(value);
      }
      changed();
    });
    document.addEventListener("click", ({ target }) => {
      if (!target.closest("#pick-none")) return;
      picked.clear();
      changed();
      byId("pick-page").focus();
    });

    const tickOf = (row) => row?.querySelector("input[name=pick]");
    const here = () => document.activeElement.closest("#rows > tr");

    /* The row with the focus and the next one, as in a list of files. */
    const extend = (step) => {
      const row = here();
      const next = step > 0 ? row?.nextElementSibling : row?.previousElementSibling;
      for (const tick of [tickOf(row), tickOf(next)]) if (tick && !tick.checked) tick.click();
      next?.querySelector("[data-row-link]")?.focus();
      return row !== null;
    };

    const actions = {
      b: () => {
        const bar = byId("bulk");
        bar?.setAttribute("data-open", "");
        const onward = byId("bulk-picked");
        // The bar sticks to the edge of the screen: nothing has to move for it.
        (onward?.disabled ? byId("bulk-matching") : onward)?.focus({ preventScroll: true });
        return bar !== null;
      },
      x: () => {
        const tick = tickOf(here());
        tick?.click();
        return Boolean(tick);
      },
      J: () => extend(1),
      K: () => extend(-1),
      ArrowDown: (event) => event.shiftKey && extend(1),
      ArrowUp: (event) => event.shiftKey && extend(-1),
    };

    /* So many hours for the selected instances: opens the preview. */
    const preview = (hours) => {
      const choice = byId("bulk-hours");
      if (picked.size === 0 || ![...(choice?.options ?? [])].some(({ value }) => value === hours)) return false;
      choice.value = hours;
      byId("bulk-preview").click();
      return true;
    };

    document.addEventListener("keydown", (event) => {
      if (document.documentElement.dataset.shortcuts === "off" && event.key.length === 1) return;
      if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
      if (event.target.closest("input:not([name=pick]), select, textarea, dialog, #popover")) return;
      if (actions[event.key]?.(event) || preview(event.key)) event.preventDefault();
    });

    // The selection has become a batch.
    document.addEventListener("curfew:accepted", ({ detail }) => {
      if (!detail.batch) return;
      picked.clear();
      changed();
    });
    document.addEventListener("htmx:load", draw);
    document.addEventListener("htmx:oobAfterSwap", draw);
    addEventListener("pageshow", () => {
      read();
      draw();
    });
    draw();
  }
}
