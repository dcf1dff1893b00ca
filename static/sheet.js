"use strict";
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
