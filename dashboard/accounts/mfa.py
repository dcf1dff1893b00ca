"""Second factors: how their seeds are kept, and how the QR code is drawn."""

import base64

from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import Fernet, MultiFernet
from django.utils.safestring import SafeString, mark_safe

from dashboard.web import encryption

PURPOSE = "second factors"


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # untyped library
    """Seals seeds: who reads the database alone cannot compute anybody's codes."""

    def encrypt(self, text: str) -> str:
        """Seal a seed with a key derived from ``SECRET_KEY``."""
        return encryption.encrypt(text, PURPOSE)

    def decrypt(self, encrypted_text: str) -> str:
        """Open what ``encrypt`` sealed, now, under a former key or in its former way.

        Raises:
            InvalidTag: No key of ours sealed it.
            InvalidToken: The same, of a former seal.
        """
        if not encrypted_text.startswith(encryption.MARK):
            return _former_sealer().decrypt(encrypted_text.encode()).decode()
        return encryption.decrypt(encrypted_text, PURPOSE)

    def build_totp_svg(self, url: str) -> SafeString:
        """The QR code as an ``<svg>`` to stand in the page.

        allauth's template shows it by a ``data:`` address, which our content policy
        does not allow. The markup is the QR library's: the address is in its shapes
        only, not in its text.
        """
        svg: str = super().build_totp_svg(url)
        return mark_safe(svg[svg.index("<svg") :])  # noqa: S308


def _former_sealer() -> MultiFernet:
    """Of seeds from before AES-GCM."""
    derived = (encryption.derived(key, PURPOSE) for key in encryption.secret_keys())
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in derived])
