"""allauth's authentication backend and Django's sessions, with faster lookups."""

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import UpdateError
from django.db import OperationalError
from django.utils import timezone

from dashboard.web.raw_queries import get_by_pk

from .models import User


class Backend(AuthenticationBackend):  # type: ignore[misc]  # untyped library
    def get_user(self, user_id: int) -> User | None:
        """Return the user; None for one who may not sign in."""
        user = get_by_pk(User, user_id)
        return user if user and self.user_can_authenticate(user) else None


class SessionStore(db.SessionStore):
    def _get_session_from_db(self) -> Any:
        session = get_by_pk(self.model, self.session_key)
        if session is None or session.expire_date <= timezone.now():
            self._session_key = None
            return None
        return session

    def save(self, must_create: bool = False) -> None:
        """Save the session.

        Raises:
            OperationalError: The database is unavailable. Django takes that for a
                session that someone has ended, and answers 400.
        """
        try:
            super().save(must_create)
        except UpdateError as error:
            if isinstance(error.__context__, OperationalError):
                raise error.__context__ from error.__context__.__cause__
            raise
