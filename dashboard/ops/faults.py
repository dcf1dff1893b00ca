class FaultError(Exception):
    """A check of ``doctor`` failed; the message says what to do."""
