"""Marks sentences that somebody above may put into a reader's language."""


def gettext_noop(message: str) -> str:
    """The message itself; the collector of messages knows this name."""
    return message
