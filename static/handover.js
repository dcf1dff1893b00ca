"use strict";
/* A draft saves itself: htmx sends what was typed after a short pause, this file says
   what is not saved yet, tries again, and sends the rest when the page is left.

   Each form counts its typing in "turn" and names its page in "page": so the server
   can tell an answer that got lost from somebody else's change. */
{
  const gettext = window.gettext ?? ((text) => text);
  const RETRY = 3000;
  const unsaved = new Map(); // form: why the server would not have it, or ""
  const late = new WeakMap(); // form: what sends it if nothing else has
  let waiting = null; // what was clicked on while something was not saved

  const forms = "form[data-autosave]";
  const state = (form) => form.querySelector(".save-state");

  const tell = (form, text) => {
    const place = state(form);
    if (!place || "clash" in place.dataset) return;
    const line = place.querySelector("[data-saved]") ?? place.appendChild(document.createElement("p"));
    line.dataset.saved = "";
    line.className = "hint";
    if (line.textContent !== text) line.textContent = text;
  };

  const connection = (text) => {
    const place = document.getElementById("connection");
    place.dataset.tone = "warn";
    if (place.textContent !== text) place.textContent = text;
  };

  const again = (form) =>
    setTimeout(() => unsaved.get(form) === "" && form.isConnected && htmx.trigger(form, "curfew:save"), RETRY);

  const goOn = () => {
    if (unsaved.size || !waiting) return;
    const element = waiting;
    waiting = null;
    element.click();
  };

  document.addEventListener("input", (event) => {
    const form = event.target.closest(forms);
    if (!form) return;
    form.elements.turn.value = Number(form.elements.turn.value) + 1;
    unsaved.set(form, "");
    tell(form, gettext("Saving…"));
    // Typed before htmx knew of a new form: nobody else would send it.
    clearTimeout(late.get(form));
    late.set(form, setTimeout(() => unsaved.get(form) === "" && form.isConnected && htmx.trigger(form, "curfew:save"), RETRY));
  });

  document.addEventListener("htmx:afterRequest", (event) => {
    const { requestConfig, xhr } = event.detail;
    const form = requestConfig?.elt;
    if (!form?.matches?.(forms)) return;
    const { status } = xhr;
    if (status >= 200 && status < 300) {
      connection("");
      const sent = requestConfig.formData?.get("turn") ?? requestConfig.parameters.turn;
      if (Number(sent) === Number(form.elements.turn.value)) unsaved.delete(form);
      else tell(form, gettext("Saving…"));
      goOn();
    } else if (status === 401 || xhr.getResponseHeader("Curfew-CSRF-Token")) {
      // forms.js says so; once the person is signed in again the text can go.
      waiting = null;
      again(form);
    } else if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
      // forms.js says why.
      waiting = null;
      unsaved.set(form, "refused");
    } else {
      connection(gettext("Not saved yet: connection lost. Retrying… Keep this page open."));
      again(form);
    }
  });

  /* What leads elsewhere waits until all is saved. */
  document.addEventListener("click", (event) => {
    const theirs = event.target.closest("[data-take-theirs]");
    if (theirs) {
      event.preventDefault();
      takeTheirs(theirs.closest("form"));
      return;
    }
    const leads = event.target.closest("[data-after-saving]");
    const open = [...unsaved].filter(([, why]) => !why).map(([form]) => form);
    if (!leads || !open.length) return;
    event.preventDefault();
    waiting = leads;
    for (const form of open) htmx.trigger(form, "curfew:save");
  });

  const takeTheirs = (form) => {
    const theirs = form.querySelector(".theirs");
    for (const field of theirs.querySelectorAll("[data-field]")) {
      form.elements[field.dataset.field].value = field.textContent;
    }
    const place = state(form);
    place.querySelector("[name=revision]").value = theirs.dataset.revision;
    delete place.dataset.clash;
    place.querySelector(".callout").remove();
    unsaved.delete(form);
    form.querySelector("textarea").focus();
  };

  /* The last words, on the way out: sent without waiting for an answer. */
  const flush = () => {
    for (const [form, why] of unsaved) {
      if (why || !form.isConnected) continue;
      fetch(form.getAttribute("action"), { method: "POST", body: new FormData(form), keepalive: true, headers: { "HX-Request": "true" } }).catch(() => {});
    }
  };
  document.addEventListener("visibilitychange", () => document.hidden && flush());
  addEventListener("pagehide", flush);
  addEventListener("beforeunload", (event) => {
    const lost = [...unsaved].some(([form, why]) => why && form.isConnected);
    if (lost || (unsaved.size && document.getElementById("connection").textContent)) event.preventDefault();
  });
}
