"use strict";
/* Says so when the server runs another release than the one that has drawn this page.
   Nothing reloads by itself: somebody may be typing. */
{
  document.addEventListener("htmx:afterRequest", (event) => {
    const release = event.detail.xhr.getResponseHeader("Curfew-Release");
    const line = document.querySelector("#release > p");
    if (release && line && release !== document.documentElement.dataset.release) line.hidden = false;
  });
}
