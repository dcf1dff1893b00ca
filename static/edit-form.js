"use strict";
/* Helps while typing in the edit form: counter, forbidden characters, slider and presets,
   what a save means, and a warning before unsaved text is left. Nothing is decided here:
   the rules come from the page's attributes, the server checks, and all sentences are
   the page's own. */
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

  const drawAutoStop = () => {
    const on = field("auto_stop_enable").checked;
    const text = field("auto_stop_hours").value;
    const words = hoursWords(text);
    const shown = { on: on && words !== "", unclear: on && words === "", off: !on };
    shown.switched = on !== "stored" in field("auto_stop_enable").dataset;
    for (const sentence of document.querySelectorAll("[data-outlook]")) {
      sentence.hidden = !shown[sentence.dataset.outlook];
    }
    if (words) setText(document.querySelector("[data-outlook-hours]"), words);
    const slider = byId("hours-slider");
    if (words) slider.setAttribute("aria-valuetext", words);
    else slider.removeAttribute("aria-valuetext");
    for (const preset of document.querySelectorAll("[data-hours]")) {
      preset.setAttribute("aria-pressed", String(on && preset.dataset.hours === text));
    }
  };

  const takeHours = (text) => {
    field("auto_stop_hours").value = text;
    byId("hours-slider").value = text;
    // Whoever picks a run time wants one.
    field("auto_stop_enable").checked = true;
  };

  /* -- what the server said -- */

  const forgetErrors = (input) => {
    input.removeAttribute("aria-invalid");
    input.closest(".field")?.querySelector(".errorlist")?.remove();
  };

  /* -- leaving -- */

  let opened = "";
  let leaving = false;

  const content = () => {
    const data = new FormData(form());
    data.delete("seen");
    data.delete("csrfmiddlewaretoken");
    return new URLSearchParams(data).toString();
  };
  const isDirty = () => "dirty" in form().dataset || content() !== opened;

  addEventListener("beforeunload", (event) => {
    if (form() && !leaving && isDirty()) event.preventDefault();
  });
  // A form brought back by the browser's back button may be left again.
  addEventListener("pageshow", () => (leaving = false));
  document.addEventListener("submit", (event) => {
    // Prevented means that htmx has taken it over.
    if (event.target === form() && !event.defaultPrevented) leaving = true;
  });
  document.addEventListener("htmx:beforeOnLoad", (event) => {
    const next = event.detail.xhr.getResponseHeader("HX-Redirect");
    // To the sign-in, say, the typed text must not be lost without a question.
    if (next && event.detail.elt === form()) leaving = next === form().dataset.next;
  });

  /* -- wiring -- */

  const draw = () => {
    drawDescription();
    drawAutoStop();
  };

  const begin = () => {
    opened = content();
    byId("hours-slider").hidden = false;
    byId("presets").hidden = false;
    draw();
  };

  document.addEventListener("input", (event) => {
    if (event.target.form !== form()) return;
    forgetErrors(event.target.id === "hours-slider" ? field("auto_stop_hours") : event.target);
    if (event.target.id === "hours-slider") takeHours(event.target.value);
    else if (event.target === field("auto_stop_hours")) byId("hours-slider").value = event.target.value;
    draw();
  });
  document.addEventListener("click", (event) => {
    const preset = event.target.closest("[data-hours]");
    if (!preset) return;
    takeHours(preset.dataset.hours);
    forgetErrors(field("auto_stop_hours"));
    draw();
  });

  for (const name of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) {
    document.addEventListener(name, (event) => {
      if (event.detail.elt === form()) byId("unreachable").hidden = false;
    });
  }
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt === form()) byId("unreachable").hidden = true;
  });
  document.addEventListener("htmx:load", (event) => {
    if (event.target.id === "edit") begin();
  });
  begin();
}
