"use strict";
/* A run time: slider, number and presets show the same hours, and the end that results.
   The server checks them; without this script there is only the number.

   Attributes: data-run-time around all of them; data-hours on a preset; data-from-now on
   the sentence of the end, whose time countdown.js keeps right, and data-least-seconds the
   shortest time until it; data-no-auto-stop on a checkbox that makes the hours needless;
   data-cost on the sentence of what that costs, and data-cost-without-end on that without hours. */
{
  const HOUR = 3600;
  const partsOf = (box) => ({
    slider: box.querySelector("[type=range]"),
    number: box.querySelector(".number"),
    end: box.querySelector("[data-from-now]"),
    cost: box.querySelector("[data-cost]"),
    withoutEnd: box.querySelector("[data-cost-without-end]"),
    presets: [...box.querySelectorAll("[data-hours]")],
    hasNoAutoStop: Boolean(box.querySelector("[data-no-auto-stop]")?.checked),
  });
  const hoursOf = (text) => (/^\s*\d{1,4}([.,]\d*)?\s*$/.test(text) ? Number(text.replace(",", ".")) : NaN);

  const wordsOf = (element) => element.textContent.replace(/\s+/g, " ").trim();

  const draw = (box) => {
    const { slider, number, end, cost, withoutEnd, presets, hasNoAutoStop } = partsOf(box);
    for (const part of [slider, number, ...presets]) part.disabled = hasNoAutoStop;
    const hours = hoursOf(number.value);
    const isGood = hours >= Number(slider.min) && hours <= Number(slider.max) && !hasNoAutoStop;
    for (const preset of presets) preset.setAttribute("aria-pressed", String(isGood && Number(preset.dataset.hours) === hours));
    end.hidden = !isGood;
    if (cost) cost.hidden = !isGood;
    if (withoutEnd) withoutEnd.hidden = !hasNoAutoStop;
    if (!isGood) return;
    slider.value = hours;
    end.dataset.fromNow = Math.max(hours * HOUR, Number(end.dataset.leastSeconds ?? 0));
    const amount = cost?.querySelector("[data-price]");
    if (amount) amount.dataset.costSeconds = end.dataset.fromNow;
    document.dispatchEvent(new Event("curfew:redraw"));
    const spoken = [`${number.value} h`, wordsOf(end), ...(cost ? [wordsOf(cost)] : [])];
    slider.setAttribute("aria-valuetext", spoken.join(", "));
  };

  const take = (box, hours) => {
    const { number } = partsOf(box);
    number.value = hours;
    number.removeAttribute("aria-invalid");
    number.dispatchEvent(new Event("change", { bubbles: true }));
    draw(box);
  };

  const begin = (root) => {
    for (const box of root.querySelectorAll("[data-run-time]")) draw(box);
  };

  document.addEventListener("input", ({ target }) => {
    const box = target.closest("[data-run-time]");
    if (!box) return;
    if (target.type === "range") take(box, target.value);
    else draw(box);
  });
  document.addEventListener("click", ({ target }) => {
    const preset = target.closest("[data-run-time] [data-hours]");
    if (preset) take(preset.closest("[data-run-time]"), preset.dataset.hours);
  });
  document.addEventListener("htmx:load", ({ target }) => begin(target.parentElement ?? document));
  begin(document);
}
