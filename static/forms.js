"use strict";
/* Keeps unsaved input when a session ends, a CSRF token expires or the server refuses the
   form, and says why a form was refused and what to do.

   Input is copied to this tab's sessionStorage when the person leaves the page. If the
   next page is shown to a signed-in person, the server has accepted the form and the copy
   is deleted. After the sign-in page or a refusal, the input is restored once the same
   person opens the same page. Passwords and codes are never stored.

   Attributes of forms:
   - data-keep: a hidden field that is stored like typed text
   - data-dirty: the form has unsaved input as soon as it is shown
   - data-next: the page after saving that needs no copy of the input
   - data-autosave: the form saves itself and retries
   - data-chooses (on a field): id of the option that typing here selects
   - data-back (on a link): goes back in the history if it leads to the page before */
{
  const gettext = window.gettext ?? ((text) => text);
  const KEY = "curfew-typed";
  const KEEP_MS = 12 * 3600 * 1000;
  const SECRET = /password|code|credential|secret|token/;
  const TEXT = "textarea, input:is([type=text], [type=number], [type=url], [type=email], [type=date], [type=time], [type=datetime-local])";

  const root = document.documentElement;
  const user = root.dataset.user ?? "";
  const page = location.pathname + location.search;

  /* -- what is typed -- */

  const isTyped = ({ name, type, dataset }) =>
    name && !SECRET.test(name) && !["password", "file", "submit", "button"].includes(type) && (type !== "hidden" || "keep" in dataset);

  const read = (form) =>
    [...form.elements].filter(isTyped).map((control) => {
      const { name, value, checked, type } = control;
      if (type === "checkbox" || type === "radio") return { name, value, checked };
      if (type === "select-multiple") return { name, values: [...control.selectedOptions].map((option) => option.value) };
      return { name, value };
    });

  const isWatched = (form) => user !== "" && form.method === "post" && [...form.querySelectorAll(TEXT)].some(isTyped);
  const watched = () => [...document.forms].filter(isWatched);
  const content = (form) => JSON.stringify(read(form).filter(({ name }) => form.elements[name].type !== "hidden"));

  const opened = new WeakMap(); // form: its content when the server had it
  const sent = new WeakMap();
  const remember = () => {
    for (const form of watched()) if (!opened.has(form)) opened.set(form, content(form));
  };
  const isDirty = (form) => "dirty" in form.dataset || content(form) !== opened.get(form);
  const unsaved = () => watched().filter(isDirty);

  /* -- leaving and coming back -- */

  let leaving = false; // No question: nothing gets lost.
  let keeps = true;
  let submitted = null;
  let interrupted = false; // The person left before the server accepted the form.

  const stored = () => {
    try {
      const entry = JSON.parse(sessionStorage.getItem(KEY));
      return entry && Date.now() - entry.at < KEEP_MS ? entry : null;
    } catch {
      return null; // Storage may be forbidden; the question on leaving remains.
    }
  };
  const store = (entry) => {
    try {
      if (entry) sessionStorage.setItem(KEY, JSON.stringify(entry));
      else sessionStorage.removeItem(KEY);
    } catch {
      // See above.
    }
  };

  const keyOf = (form) => {
    const name = form.id || form.getAttribute("action") || "";
    const same = watched().filter((other) => (other.id || other.getAttribute("action") || "") === name);
    return `${name} ${same.indexOf(form)}`;
  };
  const keep = (forms) => {
    if (!forms.length) return;
    const kept = forms.map((form) => ({ key: keyOf(form), fields: read(form) }));
    store({ user, page, at: Date.now(), refused: interrupted, sent: submitted !== null, forms: kept });
  };

  addEventListener("beforeunload", (event) => {
    if (!leaving && unsaved().some((form) => !("autosave" in form.dataset))) event.preventDefault();
  });
  // Part of a page goes, such as the side sheet.
  document.addEventListener("curfew:closing", (event) => {
    const isLost = unsaved().some((form) => event.detail.part.contains(form));
    if (isLost && !confirm(gettext("Discard your unsaved changes?"))) event.preventDefault();
  });
  addEventListener("pagehide", () => {
    if (keeps) keep(submitted ? [submitted] : unsaved());
  });
  // A page brought back by the browser's back button may be left again.
  addEventListener("pageshow", () => {
    leaving = false;
    keeps = true;
    submitted = null;
  });
  document.addEventListener("submit", ({ target, defaultPrevented }) => {
    // Prevented: htmx sends it.
    if (defaultPrevented || target.method === "dialog") return;
    // Not target.action: a control of that name would be found instead.
    if (target.getAttribute("action")?.endsWith("/logout/")) {
      keeps = false;
      return;
    }
    if (!isWatched(target)) return;
    leaving = true;
    submitted = target;
  });

  const putBack = (form, fields) => {
    const counts = new Map();
    for (const { name, value, values, checked } of fields) {
      const all = [...form.elements].filter((control) => control.name === name && isTyped(control));
      const nth = counts.get(name) ?? 0;
      counts.set(name, nth + 1);
      const control = checked === undefined ? all[nth] : all.find((one) => one.value === value);
      if (!control) continue;
      if (checked !== undefined) control.checked = checked;
      else if (values) for (const option of control.options) option.selected = values.includes(option.value);
      else control.value = value;
      control.dispatchEvent(new Event("input", { bubbles: true }));
      control.dispatchEvent(new Event("change", { bubbles: true }));
    }
  };

  const arrive = () => {
    const entry = stored();
    if (!entry) return store(null);
    const isRefusal = "refused" in root.dataset;
    if (!user || isRefusal) {
      store({ ...entry, refused: true });
      const way = document.getElementById("typed-kept");
      if (way && isRefusal) {
        way.hidden = false;
        way.querySelector("a").href = entry.page;
      }
      return;
    }
    // The server never answered, so that the person came back by "back" or "reload".
    const { type } = performance.getEntriesByType("navigation")[0] ?? {};
    const unanswered = entry.sent && entry.page === page && ["back_forward", "reload"].includes(type);
    if (entry.user !== user || !(entry.refused || unanswered)) return store(null);
    if (entry.page !== page) return;
    store(null);
    let found = false;
    for (const { key, fields } of entry.forms) {
      const form = watched().find((one) => keyOf(one) === key);
      if (!form) continue;
      putBack(form, fields);
      found = true;
    }
    if (found) document.getElementById("restored").textContent = gettext("Your unsaved changes are restored.");
  };

  /* -- refusals -- */

  const notice = () => document.getElementById("form-notice");
  const tell = (text, ...links) => {
    const place = notice();
    // Screen readers must not read the same text again.
    if (place.dataset.text === text) return;
    place.dataset.text = text;
    place.replaceChildren(text, ...links.flatMap((link) => [" ", link]));
  };
  const clear = () => {
    delete notice().dataset.text;
    notice().replaceChildren();
  };
  const link = (text, href) => {
    const element = document.createElement("a");
    element.textContent = text;
    element.href = href;
    return element;
  };

  const signedOut = (signIn) => {
    const elsewhere = link(gettext("Sign in in a new tab"), root.dataset.signIn);
    elsewhere.target = "_blank";
    const here = link(gettext("Sign in here"), signIn);
    here.addEventListener("click", () => {
      leaving = true;
      interrupted = true;
    });
    tell(gettext("You have been signed out. Your changes are still here: sign in in another tab, then save again."), elsewhere, here);
  };

  const renewToken = (token) => {
    document.body.setAttribute("hx-headers", JSON.stringify({ "X-CSRFToken": token }));
    for (const field of document.querySelectorAll("[name=csrfmiddlewaretoken]")) field.value = token;
  };

  const renewed = new WeakSet(); // forms sent again with a new token
  const oldToken = (form, element, token, whose) => {
    if (!whose) return signedOut(`${root.dataset.signIn}?next=${encodeURIComponent(page)}`);
    if (whose !== user) return tell(gettext("Not saved: someone else is signed in here now. Copy your changes, then reload the page."));
    if (renewed.has(form)) return tell(gettext("Not saved: the browser did not send Curfew's cookies. Allow them for this site, then save again."));
    renewed.add(form);
    renewToken(token);
    if ("autosave" in form.dataset) htmx.trigger(form, "curfew:save");
    else if (element === form) form.requestSubmit();
    else element.click();
  };

  const isWrite = ({ detail: { requestConfig } }) => requestConfig && requestConfig.verb !== "get";
  const formOf = ({ detail: { requestConfig } }) => requestConfig?.elt?.closest?.("form");

  document.addEventListener("htmx:beforeOnLoad", (event) => {
    const { xhr } = event.detail;
    const next = xhr.getResponseHeader("HX-Redirect");
    if (!next) return;
    if (xhr.status === 401 && unsaved().length) {
      // A canceled navigation would leave the button disabled.
      event.preventDefault();
      signedOut(next);
    } else if (isWrite(event) && formOf(event)) {
      // The form is finished: "back" must lead to the page before it.
      event.preventDefault();
      event.detail.keepIndicators = true;
      leaving = true;
      keeps = interrupted = next !== formOf(event).dataset.next;
      // If that is where this leads, the history needs no second entry.
      if (document.referrer === new URL(next, location).href && history.length > 1) history.back();
      else location.replace(next);
    }
  });

  const reason = (status) => {
    switch (status) {
      case 403:
        return gettext("Not saved: you don't have permission to change this. Ask its owner or an operator.");
      case 404:
        return gettext("Not saved: this no longer exists. Copy your changes before you leave the page.");
      case 409:
        return gettext("Not saved: this is no longer possible. Copy your changes, then reload the page to see why.");
      case 413:
        return gettext("Not saved: this is too long to send. Shorten it, then save again.");
      case 429:
        return gettext("Not saved: too many requests. Your changes are kept here; save again in %(seconds)s s.");
    }
    if (status > 500) return gettext("Not saved: Curfew is temporarily unavailable. Your changes are kept here; save again in %(seconds)s s.");
    if (status === 500) return gettext("Not saved: something went wrong in Curfew, and it has been logged. Your changes are kept here; check under Changes whether they were saved, then save again.");
    return gettext("Not saved: Curfew could not read the form. Copy your changes, reload the page and try again.");
  };

  const refused = (event, status) => {
    const form = formOf(event);
    if (!form || !isWrite(event)) return;
    const { xhr, requestConfig } = event.detail;
    const again = status === 0 || status === 408 || status === 429 || status >= 500;
    // Such a form retries, and says so.
    if (again && "autosave" in form.dataset) return;
    const token = status === 403 && xhr.getResponseHeader("Curfew-CSRF-Token");
    if (token) return oldToken(form, requestConfig.elt, token, xhr.getResponseHeader("Curfew-User"));
    if (status === 0) return tell(gettext("Could not reach Curfew. Your changes are kept here. Try again (it won't be applied twice)."));
    tell(reason(status).replace("%(seconds)s", xhr.getResponseHeader("Retry-After") ?? "10"));
  };
  document.addEventListener("htmx:responseError", (event) => refused(event, event.detail.xhr.status));
  document.addEventListener("htmx:sendError", (event) => refused(event, 0));
  document.addEventListener("htmx:timeout", (event) => refused(event, 0));

  document.addEventListener("htmx:beforeRequest", (event) => {
    const form = formOf(event);
    if (!form || !isWrite(event)) return;
    sent.set(form, content(form));
    if (!("autosave" in form.dataset)) clear();
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const form = formOf(event);
    const { status } = event.detail.xhr;
    if (!form || !isWrite(event) || status < 200 || status >= 300) return;
    renewed.delete(form);
    opened.set(form, sent.get(form));
    clear();
  });

  /* -- "cancel" goes back in the history -- */

  document.addEventListener("click", (event) => {
    const back = event.target.closest("a[data-back]");
    if (!back || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    if (document.referrer !== back.href || history.length < 2) return;
    event.preventDefault();
    history.back();
  });

  /* -- the mouse wheel scrolls the page instead of changing a number -- */

  document.addEventListener("wheel", ({ target }) => {
    if (target.type === "number" && target === document.activeElement) target.blur();
  });

  /* -- typing beside an option selects it -- */

  const choose = ({ target }) => {
    const option = document.getElementById(target.dataset?.chooses ?? "");
    if (!option || option.checked) return;
    option.checked = true;
    option.dispatchEvent(new Event("change", { bubbles: true }));
  };
  document.addEventListener("input", choose);
  document.addEventListener("click", choose);

  document.addEventListener("htmx:load", remember);
  remember();
  // After all scripts of the page, which react to the restored input.
  addEventListener("DOMContentLoaded", arrive);
}
