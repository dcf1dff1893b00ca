"use strict";
/* Helps while typing in the edit form, on its own page or opened in the card of an instance
   (.edit-slot): counter, forbidden characters, slider and presets, rows of tags, and what a
   save means. Nothing is decided here: the rules come from the page's
   attributes, the server checks, and all sentences are the page's own. forms.js
   keeps unsaved input and handles refusals.

   Attributes that edit.html sets: data-max-length, data-forbidden (description); data-min,
   data-max, data-stored, data-stored-words (hours); data-stored (auto-stop: it is on);
   data-effect (when a sentence about the next run shows); data-field, data-value (a choice
   in a conflict). */
{
  const form = () => document.getElementById("edit-form");
  const field = (name) => form().elements[name];
  const hasAutoStop = () => Boolean(field("auto_stop_enable"));
  const byId = (id) => document.getElementById(id);

  const setText = (element, text) => {
    if (element.textContent !== text) element.textContent = text;
  };

  /* -- description -- */

  const drawDescription = () => {
    const { value, dataset } = field("description");
    const limit = Number(dataset.maxLength);
    // Code points, as the server counts them.
    const length = [...value].length;
    const counter = byId("description-counter");
    counter.toggleAttribute("data-over", length > limit);
    setText(counter, `${length} / ${limit}`);

    const live = byId("description-live");
    const marks = [...dataset.forbidden].filter((mark) => value.includes(mark));
    const said = [];
    // An error from the server stays until the field is edited.
    if (byId("description-errors")) return;
    if (marks.length) said.push(live.dataset.forbiddenWords.replace("{}", marks.join(" ")));
    if (length > limit) said.push(live.dataset.longWords.replace("{}", length - limit));
    setText(live, said.join(" "));
  };

  /* -- auto-stop -- */

  const hoursWords = (text) => {
    const { stored, storedWords } = field("auto_stop_hours").dataset;
    if (text === stored) return storedWords;
    const number = text.trim() === "" ? NaN : Number(text.replace(",", "."));
    const step = [...byId("hours-words").options].find((option) => Number(option.value) === number);
    return step?.textContent ?? "";
  };

  const problemOf = (text) => {
    const { min, max, stored } = field("auto_stop_hours").dataset;
    if (text === stored && text !== "") return "";
    if (text === "") return "empty";
    if (!/^[0-9]{1,6}([.,][0-9]{0,12})?$/.test(text)) return "odd";
    const hours = Number(text.replace(",", "."));
    if (hours < Number(min)) return "short";
    if (hours > Number(max)) return "long";
    return Number.isInteger(hours * 2) ? "" : "step";
  };

  const drawProblem = (on, text) => {
    // An error from the server stays until the field is edited.
    if (byId("hours-errors")) return;
    const problem = on ? problemOf(text) : "";
    const live = byId("hours-live");
    setText(live, problem ? live.dataset[problem].replace("{}", text) : "");
    if (problem) field("auto_stop_hours").setAttribute("aria-invalid", "true");
    else field("auto_stop_hours").removeAttribute("aria-invalid");
  };

  const drawAutoStop = () => {
    const on = field("auto_stop_enable").checked;
    const text = field("auto_stop_hours").value.trim();
    const words = hoursWords(text);
    const shown = { on: on && words !== "", unclear: on && words === "", off: !on };
    shown.switched = on !== "stored" in field("auto_stop_enable").dataset;
    for (const sentence of document.querySelectorAll("[data-effect]")) {
      sentence.hidden = !shown[sentence.dataset.effect];
    }
    if (words) setText(document.querySelector("[data-effect-hours]"), words);
    const slider = byId("hours-slider");
    // While the typed hours are invalid, the slider does not move.
    if (words) {
      slider.value = text.replace(",", ".");
      slider.setAttribute("aria-valuetext", words);
    }
    for (const preset of document.querySelectorAll("[data-hours]")) {
      preset.setAttribute("aria-pressed", String(on && preset.dataset.hours === text));
    }
    drawProblem(on, text);
  };

  const takeHours = (text) => {
    field("auto_stop_hours").value = text;
    // Choosing a run time turns auto-stop on.
    field("auto_stop_enable").checked = true;
  };

  /* Announces the effect of saving once the person pauses. */
  let pause = 0;
  const readOut = () => {
    clearTimeout(pause);
    pause = setTimeout(() => {
      const sentences = [...document.querySelectorAll("[data-effect]:not([hidden])")];
      const text = sentences.map((sentence) => sentence.textContent.trim()).join(" ");
      setText(byId("effect-live"), text);
    }, 700);
  };

  /* -- tags -- */

  const addTag = () => {
    const rows = form().querySelector(".tag-rows");
    const row = rows.lastElementChild.cloneNode(true);
    for (const input of row.querySelectorAll("input")) {
      input.value = "";
      input.removeAttribute("id");
    }
    rows.append(row);
    row.querySelector("input").focus();
  };

  /* The last row stays, empty, as what a new one is made of. */
  const removeTag = (row) => {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    if (next) row.remove();
    else for (const input of row.querySelectorAll("input")) input.value = "";
    (next ?? row).querySelector("input").focus();
  };

  /* -- errors from the server -- */

  const forgetErrors = (input) => {
    input.removeAttribute("aria-invalid");
    input.closest(".field")?.querySelector(".errorlist")?.remove();
  };

  /* -- a conflict: each choice shows in the form below -- */

  const takeChoice = ({ field: name, value }) => {
    if (name === "tags") return; // The server leaves out those that were not chosen.
    if (name === "description" || name === "name") field(name).value = value;
    else if (name === "auto_stop_duration") field("auto_stop_hours").value = value;
    else field(name === "auto_stop_enable" ? name : "prompt").checked = value === "on";
  };

  /* -- in the card of an instance -- */

  const close = (slot) => {
    clearTimeout(pause);
    // A button that is disabled while the form is sent has lost the focus.
    const focused = document.activeElement;
    const hadFocus = focused === document.body || slot.contains(focused);
    slot.replaceChildren();
    if (hadFocus) slot.parentElement.querySelector("[data-row-edit]")?.focus();
  };

  document.addEventListener("curfew:accepted", ({ target }) => {
    const slot = target.closest?.(".edit-slot");
    if (slot) close(slot);
  });
  // One form at a time, so that nothing typed is lost and the ids in it occur once.
  document.addEventListener("htmx:beforeRequest", (event) => {
    const opened = document.querySelector(".edit-slot:not(:empty)");
    if (!opened || !event.detail.elt.matches("a[data-row-edit]")) return;
    event.preventDefault();
    opened.querySelector("[autofocus], button")?.focus();
  });

  /* -- wiring -- */

  const draw = () => {
    drawDescription();
    if (hasAutoStop()) drawAutoStop();
  };

  document.addEventListener("input", ({ target }) => {
    if (!form() || target.form !== form()) return;
    if (target.name?.startsWith("choice_")) takeChoice(target.dataset);
    const isSlider = target.id === "hours-slider";
    const hours = field("auto_stop_hours");
    forgetErrors(isSlider ? hours : target);
    if (!hasAutoStop()) return draw();
    if (isSlider) takeHours(target.value);
    // Typing valid hours turns auto-stop on, as choosing them does.
    else if (target === hours && problemOf(hours.value.trim()) === "") takeHours(hours.value);
    draw();
    if (isSlider || target === hours || target === field("auto_stop_enable")) readOut();
  });
  document.addEventListener("click", (event) => {
    if (!form()?.contains(event.target)) return;
    if (event.target.closest("#cancel-edit")) return close(form().closest(".edit-slot"));
    if (event.target.closest("#add-tag")) return addTag();
    const removed = event.target.closest("[data-remove-tag]");
    if (removed) return removeTag(removed.closest(".tag-row"));
    const preset = event.target.closest("[data-hours]");
    if (!preset) return;
    takeHours(preset.dataset.hours);
    forgetErrors(field("auto_stop_hours"));
    draw();
    readOut();
  });

  document.addEventListener("htmx:load", (event) => {
    if (event.target.id === "edit") draw();
  });
  if (form()) draw();
}

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
