"""What a check of ``doctor`` raises."""


class FaultError(Exception):
    """A check failed; the message is a sentence that says what to do."""
