"""Words that scripts say; in English they know them by themselves."""

from django.utils.translation import gettext, gettext_noop

WORDS = {
    "again": gettext_noop("Connected again."),
    "lost": gettext_noop("Connection lost, retrying. What you see may be out of date."),
    "over": gettext_noop(
        "This page is out of step with the server. Reload it to go on."
    ),
    "colours": gettext_noop("Colours"),
    "system": gettext_noop("as the system"),
    "light": gettext_noop("light"),
    "dark": gettext_noop("dark"),
    "no_passkey": gettext_noop(
        "No passkey was used: it was cancelled, took too long, or there is none for "
        "this site."
    ),
    "no_use": gettext_noop(
        "That did not work. Sign in with your password, or try again."
    ),
    "picked": gettext_noop("%(number)s selected"),
    "elsewhere": gettext_noop("%(number)s selected, %(elsewhere)s of them elsewhere"),
}


def script_words() -> dict[str, str]:
    """All of them, in the reader's language."""
    return {name: gettext(message) for name, message in WORDS.items()}
