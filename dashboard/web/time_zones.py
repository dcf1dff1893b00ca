import zoneinfo

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _


def time_zone(name: str) -> zoneinfo.ZoneInfo:
    """Return the time zone, or UTC if the tz database does not have it."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return zoneinfo.ZoneInfo("UTC")


def validate_time_zone(name: str) -> None:
    if name not in zoneinfo.available_timezones():
        raise ValidationError(_("Unknown time zone. Enter one such as Europe/Berlin."))
