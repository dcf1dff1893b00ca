"use strict";
/* Filters that act at once (data-instant): their button is for pages without a script, and
   what is not chosen stays out of the address. */
{
  const USUAL = { sort: "stops_in", per_page: "25" };

  const hideButtons = () => {
    for (const button of document.querySelectorAll("form[data-instant] [data-needless]")) button.hidden = true;
  };

  document.addEventListener("htmx:configRequest", (event) => {
    if (!event.target.matches("form[data-instant]")) return;
    const { formData } = event.detail;
    for (const [name, value] of [...formData.entries()]) {
      if (value === "" || value === USUAL[name]) formData.delete(name);
    }
  });

  hideButtons();
}
