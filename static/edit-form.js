"use strict";
/* Helps while typing in the edit form: counter, forbidden characters, slider and presets,
   and what a save means. Nothing is decided here: the rules come from the page's
   attributes, the server checks, and all sentences are the page's own. What becomes of
   the form is the business of forms.js. */
{
  const form = () => document.getElementById("edit-form");
  const field = (name) => form().elements[name];
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
    counter.hidden = false;
    counter.toggleAttribute("data-over", length > limit);
    setText(counter, `${length} / ${limit}`);

    const live = byId("description-live");
    const marks = [...dataset.forbidden].filter((mark) => value.includes(mark));
    const said = [];
    // What the server said of the text stands until that is touched.
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
    // What the server said of the hours stands until they are touched.
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
    for (const sentence of document.querySelectorAll("[data-outlook]")) {
      sentence.hidden = !shown[sentence.dataset.outlook];
    }
    if (words) setText(document.querySelector("[data-outlook-hours]"), words);
    const slider = byId("hours-slider");
    // While the box says nothing that a run could last, the slider stays where it was.
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
    // Whoever picks a run time wants one.
    field("auto_stop_enable").checked = true;
  };

  /* What a save means, read out once the person pauses. */
  let pause = 0;
  const readOut = () => {
    clearTimeout(pause);
    pause = setTimeout(() => {
      const sentences = [...document.querySelectorAll("[data-outlook]:not([hidden])")];
      const text = sentences.map((sentence) => sentence.textContent.trim()).join(" ");
      setText(byId("outlook-live"), text);
    }, 700);
  };

  /* -- what the server said -- */

  const forgetErrors = (input) => {
    input.removeAttribute("aria-invalid");
    input.closest(".field")?.querySelector(".errorlist")?.remove();
  };

  /* -- a conflict: each choice shows in the form below -- */

  const takeChoice = ({ field: name, value }) => {
    if (name === "description") field("description").value = value;
    else if (name === "auto_stop_duration") field("auto_stop_hours").value = value;
    else field(name === "auto_stop_enable" ? name : "prompt").checked = value === "on";
  };

  /* -- wiring -- */

  const draw = () => {
    drawDescription();
    drawAutoStop();
  };

  const begin = () => {
    byId("hours-slider").hidden = false;
    byId("presets").hidden = false;
    draw();
  };

  document.addEventListener("input", ({ target }) => {
    if (target.form !== form()) return;
    if (target.name?.startsWith("choice_")) takeChoice(target.dataset);
    const isSlider = target.id === "hours-slider";
    const hours = field("auto_stop_hours");
    forgetErrors(isSlider ? hours : target);
    if (isSlider) takeHours(target.value);
    // Typed hours are meant, too.
    else if (target === hours && problemOf(hours.value.trim()) === "") takeHours(hours.value);
    draw();
    if (isSlider || target === hours || target === field("auto_stop_enable")) readOut();
  });
  document.addEventListener("click", (event) => {
    const preset = event.target.closest("[data-hours]");
    if (!preset) return;
    takeHours(preset.dataset.hours);
    forgetErrors(field("auto_stop_hours"));
    draw();
    readOut();
  });

  document.addEventListener("htmx:load", (event) => {
    if (event.target.id === "edit") begin();
  });
  begin();
}
