"""Encryption of two-factor secrets, and the QR code."""

import base64

from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import Fernet, MultiFernet
from django.utils.safestring import SafeString, mark_safe

from dashboard.web import encryption

PURPOSE = "second factors"


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # untyped library
    """Encrypts secrets, so that codes cannot be computed from the database alone."""

    def encrypt(self, text: str) -> str:
        """Encrypt a secret with a key derived from ``SECRET_KEY``."""
        return encryption.encrypt(text, PURPOSE)

    def decrypt(self, encrypted_text: str) -> str:
        """Decrypt a secret, also of a former key or the former format.

        Raises:
            InvalidTag: No key decrypts it.
            InvalidToken: No key decrypts it, in the former format.
        """
        if not encrypted_text.startswith(encryption.MARK):
            return _former_fernet().decrypt(encrypted_text.encode()).decode()
        return encryption.decrypt(encrypted_text, PURPOSE)

    def build_totp_svg(self, url: str) -> SafeString:
        """Return the QR code as an inline ``<svg>``.

        allauth's template uses a ``data:`` URL, which the content security policy does
        not allow. The markup contains ``url`` only as shapes, not as text.
        """
        svg: str = super().build_totp_svg(url)
        return mark_safe(svg[svg.index("<svg") :])  # noqa: S308


def _former_fernet() -> MultiFernet:
    """Return the cipher of secrets from before AES-GCM."""
    derived = (encryption.derived(key, PURPOSE) for key in encryption.secret_keys())
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in derived])
