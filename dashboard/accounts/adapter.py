"""allauth's account adapter."""

import smtplib
from typing import Any

import structlog
from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext, gettext_lazy as _

from dashboard.web.address import network_of
from dashboard.web.smtp_errors import smtp_problem

from . import services
from .models import User

log = structlog.get_logger(__name__)

MISMATCH = _("Incorrect username or password.")
"""The same for existing and unknown usernames."""


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # untyped library
    """Admins create the accounts, so there is no sign-up."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "username_password_mismatch": MISMATCH,
        "email_password_mismatch": MISMATCH,
        "too_many_login_attempts": (
            _("Too many failed attempts. Wait 15 minutes, then try again.")
        ),
        "rate_limited": _("Too many requests. Wait a minute, then try again."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        """Authenticate, and refuse an expired one-time password.

        Raises:
            ValidationError: Too many attempts, or the one-time password has expired.
        """
        user: User | None = super().authenticate(request, **credentials)
        if user and user.one_time_until and user.one_time_until < timezone.now():
            raise ValidationError(
                gettext(
                    "This one-time password has expired. Ask an administrator "
                    "for another."
                )
            )
        return user

    def clean_password(self, password: str, user: User | None = None) -> str:
        """Validate a new password, which must differ from the current one."""
        if user and user.has_usable_password() and user.check_password(password):
            raise ValidationError(
                gettext("This is your current password. Choose a different one.")
            )
        cleaned: str = super().clean_password(password, user)
        return cleaned

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        """Return the account page, which offers two-factor authentication, too."""
        return reverse("mfa_index")

    def send_mail(
        self, template_prefix: str, email: str, context: dict[str, Any]
    ) -> None:
        """Send a mail; log an error if the mail server does not accept it.

        The page shows no error, since that would reveal that an account has this
        address. It says whom to contact when no mail arrives.
        """
        try:
            super().send_mail(template_prefix, email, context)
        except (OSError, smtplib.SMTPException) as error:
            with translation.override(settings.LANGUAGE_CODE):
                reason = str(smtp_problem(error))
            log.error("mail not sent", mail=template_prefix, reason=reason)

    def set_password(self, user: User, password: str) -> None:
        services.choose_password(user=user, password=password)

    def pre_login(
        self, request: HttpRequest, user: User, **login: Any
    ) -> HttpResponse | None:
        """Refuse passkeys and passwords of accounts that use single sign-on only.

        Their role follows the claims at each sign-in, so a sign-in with a passkey would
        keep a role that the provider has revoked.
        """
        is_sso = "sociallogin" in (login.get("signal_kwargs") or {})
        if not is_sso and not user.has_usable_password():
            messages.error(
                request,
                gettext("Sign in with single sign-on: your account has no password."),
            )
            return redirect("account_login")
        refusal: HttpResponse | None = super().pre_login(request, user, **login)
        return refusal

    def send_password_reset_mail(
        self, user: User, email: str, context: dict[str, Any]
    ) -> None:
        """Send the link, except to accounts that use single sign-on only.

        Someone whose invitation has expired gets another link.
        """
        is_invited = user.invited_at is not None and user.last_login is None
        if user.has_usable_password() or is_invited:
            super().send_password_reset_mail(user, email, context)

    def get_reset_password_from_key_url(self, key: str) -> str:
        """Return the link at ``CURFEW_URL``; anyone can forge the request's host."""
        path = reverse("account_reset_password_from_key", args=["UID", "KEY"])
        return f"{settings.CURFEW.origin}{path.replace('UID-KEY', key)}"

    def is_safe_url(self, url: str | None) -> bool:
        """Whether a redirect to ``url`` stays on this site."""
        request = self.request
        return url_has_allowed_host_and_scheme(
            url, {request.get_host()}, require_https=request.is_secure()
        )

    def _get_login_attempts_cache_key(
        self, request: HttpRequest, **credentials: Any
    ) -> str:
        # By name alone, anyone could lock out another person.
        key: str = super()._get_login_attempts_cache_key(request, **credentials)
        return f"{key}:{network_of(self.get_client_ip(request))}"
