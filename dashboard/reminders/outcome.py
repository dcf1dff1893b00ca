"""The outcome of an attempt to send."""

from functools import partial
from typing import NamedTuple

from dashboard.web.stored_messages import Message

from .models import Attempt

Kind = Attempt.Outcome


class Outcome(NamedTuple):
    """The outcome of one attempt.

    Attributes:
        kind: After ``NOT_SENT`` it may be tried again, after ``REFUSED`` that is
            useless; ``UNKNOWN`` may have been sent.
        detail: The reason, without addresses or secrets.
    """

    kind: str
    detail: Message = Message()


SENT = Outcome(Kind.SENT)
not_sent = partial(Outcome, Kind.NOT_SENT)
refused = partial(Outcome, Kind.REFUSED)
unknown = partial(Outcome, Kind.UNKNOWN)
