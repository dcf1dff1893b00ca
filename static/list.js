"use strict";
/* The table of instances. While the pointer or the focus is in it, its rows keep their
   order, so that a click never hits the wrong instance. A button, which says how many rows
   have moved, applies the new order. The answer to a poll names the rows that move, so only
   these are touched. The script also announces which runs ended. */
{
  const gettext = window.gettext ?? ((text) => text);
  const PINNED = "Curfew-Pinned-Rows";
  const DISPLAYED = "Curfew-Displayed-Rows";
  const MOVES = "Curfew-Row-Moves";
  const byId = (id) => document.getElementById(id);
  const rows = () => [...document.querySelectorAll("#rows > [data-instance]")];

  // A row by its name in these headers: the key of an instance, or g and the key of a group.
  const idOf = (name) => (name.startsWith("g") ? `group-${name.slice(1)}` : `instance-${name}`);
  const nameOf = ({ id }) => id.replace("instance-", "").replace("group-", "g");

  // A finger gives no notice before it taps.
  const touch = matchMedia("(hover: none)");
  const isPinned = () => {
    const frame = byId("fleet-frame");
    if (!frame || rows().length === 0) return false;
    // What opened at a row belongs to it.
    if (document.querySelector("#popover:popover-open, #sheet[open]")) return true;
    return touch.matches || frame.matches(":hover") || frame.contains(document.activeElement);
  };

  document.addEventListener("htmx:configRequest", ({ target, detail }) => {
    const isOrdering = target.id === "refresh-order";
    if (target.id !== "poller" && !isOrdering) return;
    const isKept = isPinned() && !isOrdering;
    const named = isKept ? rows() : [...document.querySelectorAll("#rows > tr[id]")];
    if (named.length === 0) return;
    const header = isKept ? PINNED : DISPLAYED;
    detail.headers = { ...detail.headers, [header]: named.map(nameOf).join(",") };
  });

  /* Each move names a row and the one before it, or a row that is gone. For a new row there
     is an empty one until its own is swapped in. */
  const carryOut = (moves) => {
    for (const move of moves.split(",")) {
      if (move.startsWith("-")) {
        byId(idOf(move.slice(1)))?.remove();
        continue;
      }
      const [name, previous] = move.split(":");
      const row = byId(idOf(name)) ?? document.createElement("tr");
      row.id = idOf(name);
      if (previous) byId(idOf(previous))?.after(row);
      else byId("rows").prepend(row);
    }
  };

  const refreshOnRelease = () => {
    if (!isPinned()) byId("refresh-order")?.click();
  };
  const soon = () => setTimeout(refreshOnRelease);
  document.addEventListener("pointerover", soon);
  document.addEventListener("focusout", soon);
  document.documentElement.addEventListener("pointerleave", soon);

  /* The row under the pointer or focus, its position, and the runs that were counting down. */
  let anchor = null;
  let running = [];
  let dropped = false;
  const inUse = () => rows().find((row) => row.matches(":hover")) ?? document.activeElement.closest("[data-instance]");

  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    const { elt, headers, triggeringEvent } = detail.requestConfig;
    const isOwn = elt.id === "poller" || elt.id === "refresh-order";
    if (!isOwn) return;
    // Another answer has replaced the button, and perhaps moved the rows.
    if (!elt.isConnected) detail.shouldSwap = false;
    const isAsked = triggeringEvent?.isTrusted;
    // The table came into use while the answer was under way: drop it and ask again.
    const moves = detail.xhr.getResponseHeader(MOVES);
    const isMoving = moves || detail.xhr.responseText.includes('<tbody id="rows"');
    if (!isAsked && !(PINNED in headers) && isPinned() && isMoving) {
      detail.shouldSwap = false;
      dropped = true;
      return;
    }
    const row = isAsked ? null : inUse();
    anchor = row && { id: row.id, top: row.getBoundingClientRect().top };
    running = [...document.querySelectorAll("#rows [data-stops-at]")].map((clock) => ({
      id: clock.closest("tr").id,
      name: clock.dataset.label,
      isDue: clock.dataset.state !== "counting",
    }));
    if (moves && detail.shouldSwap) carryOut(moves);
  });

  document.addEventListener("htmx:afterRequest", () => {
    if (!dropped) return;
    dropped = false;
    document.dispatchEvent(new Event("curfew:ask"));
  });

  const announce = (text) => {
    if (text) byId("announcer").textContent = text;
  };

  const ended = ({ id, name, isDue }) => {
    const row = byId(id);
    if (!row) return isDue ? gettext("%(name)s is no longer on this page").replace("%(name)s", () => name) : "";
    if (!row.querySelector(".clock[data-state=stopped]")) return "";
    return `${name}: ${row.querySelector(".status").innerText}`;
  };

  document.addEventListener("htmx:afterSwap", ({ detail }) => {
    const { elt, triggeringEvent } = detail.requestConfig ?? {};
    if (elt?.id !== "poller" && elt?.id !== "refresh-order") return;
    // What came or grew above must not push another row under the pointer.
    const row = anchor && byId(anchor.id);
    if (row) scrollBy(0, row.getBoundingClientRect().top - anchor.top);
    announce(running.map(ended).filter(Boolean).join(", "));
    if (elt.id === "refresh-order" && triggeringEvent?.isTrusted) byId("fleet").focus({ preventScroll: true });
    soon();
  });
}

/* The side sheet: an instance's page beside the list, whose address, filters and scroll
   position stay. The row's link leads to the page without this script, and with Ctrl or
   the middle button. The sheet is read again when the list's poll brings the row. */
{
  const byId = (id) => document.getElementById(id);
  const dialog = byId("sheet");
  const body = byId("sheet-body");
  let link = null; // of the row; found by its id, since polls replace it

  const isPlain = (event) => !(event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);

  /* The list has some ids, too; its polls look for them. */
  const dropDoubles = () => {
    for (const element of body.querySelectorAll("[id]")) {
      if (byId(element.id) !== element) element.removeAttribute("id");
    }
  };

  const load = async () => {
    const { href } = link;
    const open = [...body.querySelectorAll("details[id][open]")].map(({ id }) => id);
    body.setAttribute("aria-busy", "true");
    let failed = false;
    const fail = ({ detail }) => {
      failed ||= detail.target === body;
    };
    const errors = ["htmx:responseError", "htmx:sendError", "htmx:timeout"];
    for (const name of errors) document.addEventListener(name, fail);
    await htmx.ajax("GET", href, { source: body, target: body, select: "#detail", swap: "innerHTML ignoreTitle:true" }).catch(() => {});
    for (const name of errors) document.removeEventListener(name, fail);
    body.removeAttribute("aria-busy");
    // Its own page says why.
    if (failed && !body.hasChildNodes()) return location.assign(href);
    for (const id of open) byId(id)?.setAttribute("open", "");
  };

  const open = (row) => {
    link = row;
    // The filters replace much of the page; what they bring in its place is not needed.
    if (!dialog.isConnected) {
      byId("sheet")?.remove();
      document.body.append(dialog);
    }
    body.replaceChildren();
    byId("sheet-title").textContent = row.textContent;
    byId("sheet-page").href = row.href;
    dialog.showModal();
    load();
  };

  document.addEventListener("click", (event) => {
    const row = event.target.closest("#rows a[data-row-link]");
    if (!row || !isPlain(event)) return;
    event.preventDefault();
    open(row);
  });
  const mayClose = () => document.dispatchEvent(new CustomEvent("curfew:closing", { cancelable: true, detail: { part: body } }));
  const close = () => mayClose() && dialog.close();
  // Beside it: the backdrop belongs to the dialog.
  dialog.addEventListener("click", ({ target }) => target === dialog && close());
  byId("sheet-close").addEventListener("click", close);
  dialog.addEventListener("cancel", (event) => event.target === dialog && !mayClose() && event.preventDefault());
  dialog.addEventListener("close", () => {
    // The browser puts the focus back only if the row was not replaced.
    byId(link.id)?.focus({ preventScroll: true });
    body.replaceChildren();
  });

  document.addEventListener("htmx:afterSwap", ({ detail }) => detail.target === body && dropDoubles());
  const reload = ({ target }) => {
    const row = byId(link?.id);
    if (!dialog.open || !row || body.contains(target)) return;
    if (target.contains(row)) load();
  };
  document.addEventListener("htmx:oobAfterSwap", reload);
}
