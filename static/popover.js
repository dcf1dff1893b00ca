"use strict";
/* Acts where the person looks. Without this script each of these links leads to a page that
   can do the same.

   - data-popover on a link: its page opens in #popover, beside the link, or the address that
     the attribute names. The server sends a short form for it (edits/views/common.py). A
     form that is accepted closes it.
   - data-post on a link: posts to that address. Only a refusal opens the popover.
   - data-in-place on a form or its button: as data-post.
   - data-copy on a button: copies that text; data-copy-link: that address, in full.

   The page's poll shows what became of a change; this announces it. */
{
  const gettext = window.gettext ?? ((text) => text);
  const byId = (id) => document.getElementById(id);
  const popover = byId("popover");
  const GAP = 6;
  const EDGE = 8;

  const isOpen = () => popover.matches(":popover-open");
  const announce = (text) => {
    byId("announcer").textContent = text;
  };

  /* -- where it stands -- */

  // An id, since a poll may replace the link.
  let anchorId = "";
  let originId = ""; // of what had the focus
  const anchor = () => byId(anchorId);

  const place = () => {
    const link = anchor();
    if (!link || !isOpen()) return;
    const at = link.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = popover;
    const { clientWidth, clientHeight } = document.documentElement;
    const below = at.bottom + GAP + height + EDGE <= clientHeight || at.top < height + GAP + EDGE;
    const top = below ? Math.min(at.bottom + GAP, clientHeight - height - EDGE) : at.top - GAP - height;
    const start = document.dir === "rtl" ? at.right - width : at.left;
    const left = Math.min(start, clientWidth - width - EDGE);
    popover.style.top = `${Math.max(EDGE, top)}px`;
    popover.style.left = `${Math.max(EDGE, left)}px`;
  };
  addEventListener("scroll", place, { capture: true, passive: true });
  addEventListener("resize", place);
  new ResizeObserver(place).observe(popover);

  const show = () => {
    if (!isOpen()) {
      // A modal dialog lets nothing outside it be used.
      const home = anchor()?.closest("dialog") ?? document.body;
      if (popover.parentElement !== home) home.append(popover);
      popover.showPopover();
      anchor()?.setAttribute("aria-expanded", "true");
    }
    place();
    const first = popover.querySelector("[autofocus]") ?? popover.querySelector("a, button:not([tabindex]), input:not([type=hidden])");
    first?.focus();
    if (!first?.matches("[data-select]")) return;
    if (typed) first.value = typed;
    else first.select();
    typed = "";
  };

  popover.addEventListener("toggle", ({ newState }) => {
    if (newState === "open") return;
    const link = anchor();
    link?.removeAttribute("aria-expanded");
    // What was typed is dropped with the form: it must not be asked about on leaving.
    popover.replaceChildren();
    const isLost = document.activeElement === document.body || popover.contains(document.activeElement);
    if (isLost) (byId(originId) ?? link)?.focus({ preventScroll: true });
  });

  /* -- opening -- */

  const isPlain = (event) => !(event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
  let asked = null; // the link of the request under way

  const request = (verb, link, url, values = {}) => {
    if (asked) return;
    asked = link;
    // One inside the popover, such as of a menu, keeps its place.
    if (!popover.contains(link)) {
      popover.hidePopover();
      anchorId = link.id;
      originId = document.activeElement.id;
    }
    link.setAttribute("aria-busy", "true");
    htmx
      .ajax(verb, url, { source: popover, target: popover, swap: "innerHTML", values })
      .catch(() => {})
      .finally(() => {
        link.removeAttribute("aria-busy");
        asked = null;
      });
  };

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-popover], a[data-post]");
    if (!link || !isPlain(event)) return;
    event.preventDefault();
    if (link.id === anchorId && isOpen() && !popover.contains(link)) return popover.hidePopover();
    if (link.dataset.post) request("POST", link, link.dataset.post);
    else request("GET", link, link.dataset.popover || link.href);
  });

  document.addEventListener("submit", (event) => {
    const { target: form, submitter } = event;
    if (!submitter || !(form.matches("[data-in-place]") || submitter.matches("[data-in-place]"))) return;
    event.preventDefault();
    request("POST", submitter, form.getAttribute("action"), new FormData(form, submitter));
  });

  /* Digits on a row, with nothing ticked: they go into its popover. */
  let typed = "";
  document.addEventListener("keydown", (event) => {
    if (!/^[0-9]$/.test(event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.documentElement.dataset.shortcuts === "off" || byId("bulk")?.hasAttribute("data-any")) return;
    if (event.target.closest("input:not([name=pick]), select, textarea, dialog, #popover")) return;
    const link = document.activeElement.closest("#rows > tr")?.querySelector("[data-row-edit]");
    if (!link) return;
    typed += event.key;
    if (!asked) link.click();
    event.preventDefault();
  });

  const isOurs = ({ detail }) => detail.target === popover;
  // Not before htmx knows the form: Enter would send it as the browser does.
  document.addEventListener("htmx:afterSettle", (event) => isOurs(event) && popover.hasChildNodes() && show());

  /* No answer, or one that is a page: the link's own page says why. */
  const fail = (event) => {
    if (isOurs(event) && asked && event.detail.elt === popover) location.assign(asked.href ?? location.href);
  };
  for (const name of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) document.addEventListener(name, fail);

  /* -- what becomes of a change -- */

  const pending = new Set(); // ids of edits submitted here

  document.addEventListener("curfew:accepted", ({ detail: { text, edit } }) => {
    popover.hidePopover();
    // Before htmx looks what has come.
    popover.replaceChildren();
    if (edit) pending.add(edit);
    // What was pressed in a row, such as Retry, goes with the next poll.
    anchor()?.closest("tr[data-instance]")?.querySelector("[data-row-edit]")?.focus({ preventScroll: true });
    announce(text);
    document.dispatchEvent(new Event("curfew:ask"));
  });

  document.addEventListener("htmx:afterSettle", () => {
    for (const edit of pending) {
      const chip = document.querySelector(`[data-edit="${edit}"]`);
      if (!chip || "open" in chip.dataset) continue;
      pending.delete(edit);
      const name = chip.closest("[data-instance]")?.querySelector("[data-row-link]")?.textContent ?? "";
      announce([name, chip.textContent.trim()].filter(Boolean).join(": "));
    }
  });

  /* -- a menu: arrows walk it -- */

  popover.addEventListener("keydown", (event) => {
    const menu = event.target.closest("[data-menu]");
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (!menu || !(event.key in steps)) return;
    const items = [...menu.querySelectorAll("a, button")];
    items.at((items.indexOf(event.target) + steps[event.key]) % items.length).focus();
    event.preventDefault();
  });

  /* -- copying -- */

  document.addEventListener("click", async ({ target }) => {
    const button = target.closest("[data-copy], [data-copy-link]");
    if (!button) return;
    const text = button.dataset.copy ?? new URL(button.dataset.copyLink, location).href;
    try {
      await navigator.clipboard.writeText(text);
      announce(gettext("Copied"));
      button.toggleAttribute("data-copied", true);
      setTimeout(() => button.removeAttribute("data-copied"), 2000);
      if (popover.contains(button)) popover.hidePopover();
    } catch {
      // Only secure pages may write to the clipboard: the person can still read it here.
      prompt(gettext("Copy this text:"), text);
    }
  });
}
