"use strict";
/* The list's filters act at once, and what is not chosen stays out of the address. */
document.querySelectorAll("#filters [data-needless]").forEach((button) => {
  button.hidden = true;
});

document.addEventListener("htmx:configRequest", (event) => {
  if (event.target.id !== "filters") return;
  const { formData } = event.detail;
  for (const [name, value] of [...formData.entries()]) {
    if (value === "" || (name === "sort" && value === "stops_in") || (name === "per_page" && value === "25")) {
      formData.delete(name);
    }
  }
});
