from dashboard.accounts.models import User
from dashboard.reminders.recipients import preferences_of
from dashboard.reminders.services import save_preferences

from .weeks import zone_of


def turn_off(*, person: User) -> None:
    """Turn off the digest of a person, in their own name."""
    preferences = preferences_of(person)
    if not preferences.weekly_digest:
        return
    # A person without stored settings keeps the time zone of their pages.
    preferences.time_zone = zone_of(person).key
    preferences.weekly_digest = False
    save_preferences(preferences=preferences)
