"use strict";
/* Filters that act at once (data-instant): what is not chosen stays out of the address, and
   how much they found is announced. The menus beside them close with Escape and with a
   click elsewhere. */
{
  const USUAL = { sort: "stops_in", per_page: "25" };

  document.addEventListener("htmx:configRequest", (event) => {
    if (!event.target.matches("form[data-instant]")) return;
    const { formData } = event.detail;
    const values = [...formData.entries()];
    for (const name of new Set(formData.keys())) formData.delete(name);
    for (const [name, value] of values) {
      if (value !== "" && value !== USUAL[name]) formData.append(name, value);
    }
  });

  document.addEventListener("htmx:afterSwap", ({ detail }) => {
    if (!detail.requestConfig?.elt?.matches("form[data-instant]")) return;
    document.getElementById("announcer").textContent = document.querySelector("[data-found]").dataset.found;
  });

  const opened = () => document.querySelectorAll("details.dropdown[open]");

  document.addEventListener("click", ({ target }) => {
    for (const menu of opened()) if (!menu.contains(target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    const { activeElement } = document;
    // A click on the words of a menu gives the focus to the page around it.
    const isNear = (element) => element.contains(activeElement) || activeElement.contains(element);
    const menu = event.key === "Escape" && [...opened()].find(isNear);
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
    event.preventDefault();
  });
}
