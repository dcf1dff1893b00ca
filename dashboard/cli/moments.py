"""Moments as people type them."""

from datetime import datetime, time, timedelta


def end_of(text: str, now: datetime | None = None) -> datetime:
    """Return a moment with its zone.

    Args:
        text: A time, which is the next such time; or an ISO 8601 date and time. Without
            a zone it is in that of this machine.
        now: In the zone of this machine, naive; for tests.

    Raises:
        ValueError: The text is neither.
    """
    now = now or datetime.now()  # noqa: DTZ005 (the wall clock of this machine)
    try:
        typed = time.fromisoformat(text)
    except ValueError:
        return datetime.fromisoformat(text).astimezone()
    if typed.tzinfo is not None:
        raise ValueError(text)
    moment = datetime.combine(now.date(), typed)
    # A day later on the wall clock, whatever summer time does.
    return (moment if moment > now else moment + timedelta(days=1)).astimezone()


end_of.__name__ = "time"  # for argparse's error message
