"use strict";
/* The timeline by keyboard: one tab stop, and the arrow keys move from there. A text below
   the drawing describes the item under the focus or the pointer. */
{
  const items = () => [...document.querySelectorAll("#timeline [data-walk]")];
  const itemOf = (event) => event.target.closest?.("#timeline [data-walk]");

  const tell = (item) => {
    const detail = document.querySelector("#timeline [data-detail]");
    if (detail) detail.textContent = item?.getAttribute("aria-label") ?? "";
  };

  /* From column to column of the next group, as near as possible. */
  const across = (item, step) => {
    const groups = [...document.querySelectorAll("#timeline [data-columns]")].filter((group) =>
      group.querySelector("[data-walk]"),
    );
    const next = groups[groups.indexOf(item.closest("[data-columns]")) + step];
    const distance = (column) => Math.abs(column.dataset.slot - item.dataset.slot);
    return next && [...next.querySelectorAll("[data-walk]")].sort((a, b) => distance(a) - distance(b))[0];
  };

  const along = (item, step) => items()[items().indexOf(item) + step];
  /* From bar to bar; what extends a run is beside its bar. */
  const rows = (item, step) => {
    const bars = items().filter((one) => !one.matches(".day-extend"));
    return bars[bars.indexOf(item.matches(".day-extend") ? item.previousElementSibling : item) + step];
  };

  const steps = {
    ArrowRight: (item) => along(item, 1),
    ArrowLeft: (item) => along(item, -1),
    ArrowDown: (item) => (item.closest("[data-columns]") ? across(item, 1) : rows(item, 1)),
    ArrowUp: (item) => (item.closest("[data-columns]") ? across(item, -1) : rows(item, -1)),
    Home: () => items()[0],
    End: () => items().at(-1),
  };

  document.addEventListener("keydown", (event) => {
    const item = itemOf(event);
    if (!item || event.ctrlKey || event.metaKey || event.altKey || !steps[event.key]) return;
    event.preventDefault();
    steps[event.key](item)?.focus();
  });

  document.addEventListener("focusin", (event) => {
    const item = itemOf(event);
    if (!item) return;
    for (const other of items()) other.setAttribute("tabindex", other === item ? "0" : "-1");
    tell(item);
  });

  const focused = () => document.activeElement.closest("#timeline [data-walk]");
  document.addEventListener("focusout", (event) => itemOf(event) && tell(null));
  document.addEventListener("pointerover", (event) => {
    const item = itemOf(event);
    if (item) tell(item);
    else if (event.target.closest?.("#timeline")) tell(focused());
  });
}
