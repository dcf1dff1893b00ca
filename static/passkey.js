"use strict";
/* Offers passkeys where the browser can use them here, and says what went wrong.

   allauth's own scripts talk to the key; this one only shows and tells. Passkeys need
   https, or http on the name "localhost": never on an IP address. */
{
  const words = {
    no_passkey: "No passkey was used: it was cancelled, took too long, or there is none for this site.",
    no_use: "That did not work. Sign in with your password, or try again.",
    ...JSON.parse(document.documentElement.dataset.words ?? "{}"),
  };
  const isAddress = /^[\d.]+$|:/.test(location.hostname);
  const works = Boolean(window.PublicKeyCredential) && window.isSecureContext && !isAddress;

  for (const form of document.querySelectorAll("#passkey")) form.hidden = !works;
  for (const note of document.querySelectorAll("#passkey_unable")) note.hidden = works;

  document.addEventListener("allauth.error", (event) => {
    event.preventDefault();
    const place = document.getElementById("passkey_trouble");
    if (!place) return;
    const { exception } = event.detail;
    place.textContent =
      exception?.name === "NotAllowedError"
        ? words.no_passkey
        : words.no_use;
  });
}
