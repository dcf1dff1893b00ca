"use strict";
/* Autosave of a draft. htmx sends the text after a short pause. This file shows what is
   not saved yet, tries again, and sends the rest when the person leaves the page.

   Each form counts its changes in "client_seq" and names its page in "client_id", so that
   the server can tell a lost response from someone else's change. */
{
  const gettext = window.gettext ?? ((text) => text);
  const RETRY = 3000;
  const unsaved = new Map(); // by form: why the server refused it, or ""
  const late = new WeakMap(); // by form: the timer that sends it if htmx has not
  let waiting = null; // the link that was clicked while something was not saved

  const forms = "form[data-autosave]";
  const state = (form) => form.querySelector(".save-state");

  const showStatus = (form, text) => {
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

  const followLink = () => {
    if (unsaved.size || !waiting) return;
    const element = waiting;
    waiting = null;
    element.click();
  };

  document.addEventListener("input", (event) => {
    const form = event.target.closest(forms);
    if (!form) return;
    form.elements.client_seq.value = Number(form.elements.client_seq.value) + 1;
    unsaved.set(form, "");
    showStatus(form, gettext("Saving…"));
    // htmx does not send text that was typed before it processed a new form.
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
      const sent = requestConfig.formData?.get("client_seq") ?? requestConfig.parameters.client_seq;
      if (Number(sent) === Number(form.elements.client_seq.value)) unsaved.delete(form);
      else showStatus(form, gettext("Saving…"));
      followLink();
    } else if (status === 401 || xhr.getResponseHeader("Curfew-CSRF-Token")) {
      // forms.js shows this; the text is sent once the person is signed in again.
      waiting = null;
      again(form);
    } else if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
      // forms.js shows the reason.
      waiting = null;
      unsaved.set(form, "refused");
    } else {
      connection(gettext("Not saved yet: connection lost. Retrying… Keep this page open."));
      again(form);
    }
  });

  /* Links to other pages wait until everything is saved. */
  document.addEventListener("click", (event) => {
    const theirs = event.target.closest("[data-take-theirs]");
    if (theirs) {
      event.preventDefault();
      takeTheirs(theirs.closest("form"));
      return;
    }
    const fact = event.target.closest("[data-fact]");
    if (fact) {
      // htmx does not see buttons among names from the cloud, which it must not process.
      event.preventDefault();
      const chosen = fact.form.querySelector("input[name=fact]");
      chosen.value = fact.value;
      htmx.trigger(fact.form, "submit");
      chosen.value = "";
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

  /* When the person leaves: send the rest without waiting for a response. */
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
