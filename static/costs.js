"use strict";
/* The bars of the trend by keyboard: one tab stop, and the arrow keys move from there. A text
   below the drawing describes the bar under the focus or the pointer. */
{
  const trend = document.getElementById("trend");
  const bars = [...(trend?.querySelectorAll("[data-walk]") ?? [])];
  const barOf = (event) => event.target.closest?.("#trend [data-walk]");

  const tell = (bar) => {
    trend.querySelector("[data-detail]").textContent = bar?.getAttribute("aria-label") ?? "";
  };

  const steps = {
    ArrowRight: (index) => index + 1,
    ArrowLeft: (index) => index - 1,
    Home: () => 0,
    End: () => bars.length - 1,
  };

  document.addEventListener("keydown", (event) => {
    const bar = barOf(event);
    if (!bar || event.ctrlKey || event.metaKey || event.altKey || !steps[event.key]) return;
    event.preventDefault();
    bars[steps[event.key](bars.indexOf(bar))]?.focus();
  });

  document.addEventListener("focusin", (event) => {
    const bar = barOf(event);
    if (!bar) return;
    for (const other of bars) other.setAttribute("tabindex", other === bar ? "0" : "-1");
    tell(bar);
  });

  const focused = () => document.activeElement.closest("#trend [data-walk]");
  document.addEventListener("focusout", (event) => barOf(event) && tell(null));
  document.addEventListener("pointerover", (event) => {
    if (bars.length) tell(barOf(event) ?? focused());
  });
}
