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
    "signed_out": gettext_noop(
        "You have been signed out. What you typed is still here: sign in in "
        "another tab, then save again."
    ),
    "sign_in_tab": gettext_noop("Sign in in a new tab"),
    "sign_in_here": gettext_noop("Sign in here"),
    "other_person": gettext_noop(
        "Somebody else is signed in here now, so nothing was saved. Copy what you"
        " typed, then reload the page."
    ),
    "no_cookies": gettext_noop(
        "Not saved: the browser did not send Curfew's cookies. Allow them for "
        "this site, then save again."
    ),
    "refused_400": gettext_noop(
        "Not saved: Curfew could not read the form. Copy what you typed, reload "
        "the page and try again."
    ),
    "refused_403": gettext_noop(
        "Not saved: you don't have permission to change this. Ask its owner or an"
        " operator."
    ),
    "refused_404": gettext_noop(
        "Not saved: this no longer exists. Copy what you typed before you leave "
        "the page."
    ),
    "refused_409": gettext_noop(
        "Not saved: this is no longer possible. Reload the page to see why; copy "
        "what you typed first."
    ),
    "refused_413": gettext_noop(
        "Not saved: this is too long to send. Shorten it, then save again."
    ),
    "refused_429": gettext_noop(
        "Not saved: too many requests. What you typed is still here; save again "
        "in {} s."
    ),
    "refused_500": gettext_noop(
        "Not saved: something went wrong in Curfew, and it has been logged. What "
        "you typed is still here; look under Edits whether it went through, then "
        "save again."
    ),
    "refused_503": gettext_noop(
        "Not saved: Curfew is unavailable for a moment. What you typed is still "
        "here; save again in {} s."
    ),
    "unreachable": gettext_noop(
        "Could not reach Curfew. What you typed is still here. Check your "
        "connection, then save again; it is not applied twice."
    ),
    "restored": gettext_noop("What you typed before is back. It is not saved yet."),
    "left": gettext_noop("%(name)s is no longer on this page"),
    "picked": gettext_noop("%(number)s selected"),
    "elsewhere": gettext_noop("%(number)s selected, %(elsewhere)s of them elsewhere"),
}


def script_words() -> dict[str, str]:
    """All of them, in the reader's language."""
    return {name: gettext(message) for name, message in WORDS.items()}
