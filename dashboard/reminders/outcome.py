"""How an attempt to send ended."""

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
    return Outcome(Kind.NOT_SENT, detail)


def refused(detail: Message) -> Outcome:
    return Outcome(Kind.REFUSED, detail)


def unknown(detail: Message) -> Outcome:
    return Outcome(Kind.UNKNOWN, detail)
