"use strict";
/* Offers passkeys where the browser can use them here, and says what went wrong.

   allauth's own scripts talk to the key; this one only shows and tells. Passkeys need
   https, or http on the name "localhost": never on an IP address. */
{
  const gettext = window.gettext ?? ((text) => text);
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
        ? gettext("Passkey sign-in was cancelled or timed out.")
        : gettext("That did not work. Try again, or sign in with your password.");
  });
}
