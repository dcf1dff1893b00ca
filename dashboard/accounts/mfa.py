"""Encryption of two-factor secrets, and the QR code."""

from allauth.mfa.adapter import DefaultMFAAdapter
from django.utils.safestring import SafeString, mark_safe

from dashboard.web import encryption

PURPOSE = "second factors"


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # untyped library
    """Encrypts secrets, so that codes cannot be computed from the database alone."""

    def encrypt(self, text: str) -> str:
        return encryption.encrypt(text, PURPOSE)

    def decrypt(self, encrypted_text: str) -> str:
        return encryption.decrypt(encrypted_text, PURPOSE)

    def build_totp_svg(self, url: str) -> SafeString:
        """Return the QR code as an inline ``<svg>``.

        allauth's template uses a ``data:`` URL, which the content security policy does
        not allow. The markup contains ``url`` only as shapes, not as text.
        """
        svg: str = super().build_totp_svg(url)
        return mark_safe(svg[svg.index("<svg") :])  # noqa: S308
