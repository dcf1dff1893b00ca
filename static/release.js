"use strict";
/* Offers a reload when the server runs another release than the one that rendered this
   page. It never reloads on its own, since a person may be typing. */
{
  document.addEventListener("htmx:afterRequest", (event) => {
    const release = event.detail.xhr.getResponseHeader("Curfew-Release");
    const line = document.querySelector("#release > p");
    if (release && line && release !== document.documentElement.dataset.release) line.hidden = false;
  });
}
