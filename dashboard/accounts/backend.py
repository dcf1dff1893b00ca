"""Who signs in how, and who a session is: what each request asks first."""

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.contrib.sessions.backends import db
from django.utils import timezone

from dashboard.web.raw_queries import get_by_pk

from .models import User


class Backend(AuthenticationBackend):  # type: ignore[misc]  # untyped library
    """allauth's, with a shorter way to the person of a session."""

    def get_user(self, user_id: int) -> User | None:
        """The person; None for one who may not sign in any more."""
        user = get_by_pk(User, user_id)
        return user if user and self.user_can_authenticate(user) else None


class SessionStore(db.SessionStore):
    """Django's, with a shorter way to what is stored."""

    def _get_session_from_db(self) -> Any:
        session = get_by_pk(self.model, self.session_key)
        if session is None or session.expire_date <= timezone.now():
            self._session_key = None
            return None
        return session
