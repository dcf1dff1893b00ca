"use strict";
/* Decides when the page's only poller (#poller) polls. The server sets the interval.
   Polling slows down while nothing changes, stops in a hidden tab, and backs off after an
   error, which the page reports. htmx swaps the answers. */
{
  const gettext = window.gettext ?? ((text) => text);
  const QUIET_POLLS = 6;
  const SLOWEST = 15;
  const BACKOFF = [1, 2, 4, 8, 10];
  const GIVE_UP_WAITING = 15_000;

  const poller = () => document.getElementById("poller");
  const isPoll = (event) => event.detail.requestConfig?.elt?.id === "poller";

  let timer = 0;
  let failures = 0;
  let quiet = 0;
  let sentAt = null;
  let over = false; // Only a reload helps.

  const tell = (text, tone = "warn") => {
    const place = document.getElementById("connection");
    place.dataset.tone = tone;
    if (place.textContent !== text) place.textContent = text;
  };

  const seconds = () => {
    if (failures) return BACKOFF[Math.min(failures, BACKOFF.length) - 1];
    const named = Number(poller()?.dataset.interval) || 5;
    // An interval under 5 s means that a change is expected: never slow down.
    if (named < 5 || quiet < QUIET_POLLS) return named;
    return Math.min(SLOWEST, named * (1 + (quiet - QUIET_POLLS) / QUIET_POLLS));
  };

  const schedule = () => {
    clearTimeout(timer);
    if (over || document.hidden || !poller()) return;
    // Jitter: a hundred watchers must not poll at the same moment.
    timer = setTimeout(poll, seconds() * 1000 * (0.9 + Math.random() * 0.2));
  };

  const poll = () => {
    clearTimeout(timer);
    const element = poller();
    if (over || document.hidden || !element) return;
    if (sentAt !== null && performance.now() - sentAt < GIVE_UP_WAITING) {
      schedule();
      return;
    }
    sentAt = performance.now();
    // Polls again if htmx never gets an answer.
    timer = setTimeout(poll, GIVE_UP_WAITING);
    htmx.trigger(element, "curfew:poll");
  };

  const succeeded = (status, isLater) => {
    if (failures) {
      tell(gettext("Reconnected."), "good");
      setTimeout(() => failures || over || tell(""), 4000);
    }
    failures = 0;
    // An answer that says to come back later does not say that nothing has changed.
    if (!isLater) quiet = status === 204 ? quiet + 1 : 0;
  };

  const failed = (status) => {
    quiet = 0;
    // Signed out: forms.js opens the sign-in, unless the page has unsaved input.
    if (status === 401) {
      failures += 1;
      return;
    }
    if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
      over = true;
      tell(gettext("This page is out of date. Reload to continue."), "bad");
      return;
    }
    failures += 1;
    tell(gettext("Connection lost. Retrying… Data may be out of date."));
  };

  const setNow = (ms) => {
    if (ms > 0) document.dispatchEvent(new CustomEvent("curfew:now", { detail: ms }));
  };

  document.addEventListener("htmx:afterRequest", (event) => {
    if (!isPoll(event)) return;
    sentAt = null;
    const { xhr } = event.detail;
    const { status } = xhr;
    if (status >= 200 && status < 400) succeeded(status, xhr.getResponseHeader("Retry-After") !== null);
    // Ignore the failure of a poller that the filters have replaced.
    else if (event.detail.requestConfig.elt.isConnected) failed(status);
    schedule();
  });

  /* Nothing changed, so the answer has only the mirror's age, the server's clock and, now
     and then, a new poll token, which spares the server a look at the session. */
  document.addEventListener("curfew:unchanged", (event) => {
    const { now_ms: nowMs, as_of_ms: asOfMs, poll_token } = event.detail;
    if (poll_token) event.target.setAttribute("hx-headers", JSON.stringify({ "Curfew-Poll-Token": poll_token }));
    const age = document.querySelector("#freshness [data-ago]");
    if (age && asOfMs) age.dataset.ago = asOfMs;
    setNow(nowMs);
  });

  /* Notifications that came since the page was drawn. */
  document.addEventListener("curfew:unread", ({ detail: { unread } }) => {
    const number = document.getElementById("unread-number");
    if (!number) return;
    const text = unread > 99 ? "99+" : String(unread);
    if (number.textContent !== text) number.textContent = text;
    number.parentElement.hidden = unread === 0;
    const title = document.title.replace(/^\(\d+\+?\) /, "");
    document.title = unread === 0 ? title : `(${text}) ${title}`;
  });

  /* An answer drawn for filters that were changed meanwhile must not be swapped in. */
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (isPoll(event) && !event.detail.requestConfig.elt.isConnected) {
      event.detail.shouldSwap = false;
    }
  });

  /* What a swap would lose: open menus and ticked boxes. Elements need an id for it.
     Focus in an element with an id is kept by htmx, scroll by not moving anything. */
  let kept = [];
  const keep = (event) => {
    const target = event.detail.target;
    const within = (selector) => [...(target?.querySelectorAll?.(selector) ?? [])];
    kept.push(
      ...within("details[id]").map(({ id, open }) => ({
        id,
        restore: (element) => (element.open = open),
      })),
      ...within("input:is([type=checkbox], [type=radio])[id]").map(({ id, checked }) => ({
        id,
        restore: (element) => (element.checked = checked),
      })),
    );
  };
  const restore = () => {
    for (const { id, restore } of kept) {
      const element = document.getElementById(id);
      if (element) restore(element);
    }
    kept = [];
  };
  document.addEventListener("htmx:oobBeforeSwap", keep);
  document.addEventListener("htmx:oobAfterSwap", restore);

  document.addEventListener("htmx:load", (event) => {
    const drawn = poller();
    if (!drawn || !event.target.contains(drawn)) return;
    setNow(Number(drawn.dataset.now));
    // The filters drew a new one: its interval counts.
    if (drawn !== event.target) schedule();
  });

  const atOnce = () => {
    quiet = 0;
    poll();
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : atOnce()));
  document.addEventListener("curfew:lost-time", atOnce);
  document.addEventListener("curfew:due", atOnce);
  document.addEventListener("curfew:ask", atOnce);
  addEventListener("online", atOnce);
  addEventListener("pageshow", (event) => event.persisted && atOnce());

  schedule();
}

/* Notifications of the browser: of what came since the page was drawn, once per browser
   and only after a click has asked for them. */
{
  const gettext = window.gettext ?? ((text) => text);
  const KEY = "curfew-browser-notifications";
  const link = document.querySelector(".inbox-link");
  const isOn = () => localStorage.getItem(KEY) === "on" && Notification.permission === "granted";

  const show = async () => {
    const response = await fetch(link.dataset.newest, { headers: { Accept: "application/json" } });
    if (response.status !== 200) return;
    const { title, tag, url } = await response.json();
    // All open tabs show the same tag, and so one notification.
    const notification = new Notification(title, { tag, body: "Curfew", icon: document.querySelector("link[rel=icon]").href });
    notification.addEventListener("click", () => {
      focus();
      location.assign(url);
    });
  };

  if (link && "Notification" in window) {
    let known = Number.parseInt(document.getElementById("unread-number").textContent, 10);
    document.addEventListener("curfew:unread", ({ detail: { unread } }) => {
      if (unread > known && isOn()) show().catch(() => {});
      known = unread;
    });
  }

  const line = document.getElementById("browser-notices");
  if (line && !("Notification" in window)) line.hidden = true;
  else if (line) {
    const [on, off] = [line.querySelector("[data-turn-on]"), line.querySelector("[data-turn-off]")];
    const draw = () => {
      const isBlocked = Notification.permission === "denied";
      on.hidden = isOn() || isBlocked;
      off.hidden = !isOn();
      line.querySelector("[role=status]").textContent =
        isBlocked ? gettext("Your browser blocks them. Allow notifications in its settings for this site.") : "";
    };
    on.addEventListener("click", async () => {
      if ((await Notification.requestPermission()) === "granted") localStorage.setItem(KEY, "on");
      draw();
    });
    off.addEventListener("click", () => {
      localStorage.removeItem(KEY);
      draw();
    });
    draw();
  }
}

/* Offers a reload when the server runs another release than the one that rendered this
   page. It never reloads on its own, since a person may be typing. */
{
  document.addEventListener("htmx:afterRequest", (event) => {
    const release = event.detail.xhr.getResponseHeader("Curfew-Release");
    const line = document.querySelector("#release > p");
    if (release && line && release !== document.documentElement.dataset.release) line.hidden = false;
  });
}
