"""How a try to send ended, as far as anybody can know."""

from typing import NamedTuple

from dashboard.web.stored_messages import Message

from .models import Attempt

Kind = Attempt.Outcome


class Outcome(NamedTuple):
    """The end of one try.

    Attributes:
        kind: ``NOT_SENT`` means certainly not and may be tried again; ``REFUSED`` that
            trying again is of no use; ``UNKNOWN`` that it may have left.
        detail: Why, without addresses or secrets.
    """

    kind: str
    detail: Message = Message()


SENT = Outcome(Kind.SENT)


def not_sent(detail: Message) -> Outcome:
    """It certainly did not leave, and may do so later."""
    return Outcome(Kind.NOT_SENT, detail)


def refused(detail: Message) -> Outcome:
    """It was refused for good."""
    return Outcome(Kind.REFUSED, detail)


def unknown(detail: Message) -> Outcome:
    """It may have left."""
    return Outcome(Kind.UNKNOWN, detail)
