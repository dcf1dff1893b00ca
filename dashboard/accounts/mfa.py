"""Second factors: how their seeds are kept, and how the QR code is drawn."""

import base64

from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.encoding import force_bytes
from django.utils.safestring import SafeString, mark_safe


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # untyped library
    """Seals seeds: who reads the database alone cannot compute anybody's codes."""

    def encrypt(self, text: str) -> str:
        """Seal a seed with a key derived from ``SECRET_KEY``."""
        return _sealer().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Open what ``encrypt`` sealed, now or under a former key."""
        return _sealer().decrypt(encrypted_text.encode()).decode()

    def build_totp_svg(self, url: str) -> SafeString:
        """The QR code as an ``<svg>`` to stand in the page.

        allauth's template shows it by a ``data:`` address, which our content policy
        does not allow. The markup is the QR library's: the address is in its shapes
        only, not in its text.
        """
        svg: str = super().build_totp_svg(url)
        return mark_safe(svg[svg.index("<svg") :])  # noqa: S308


def _sealer() -> MultiFernet:
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([Fernet(_derived(key)) for key in keys])


def _derived(secret: str | bytes) -> bytes:
    kdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"curfew second factors")
    return base64.urlsafe_b64encode(kdf.derive(force_bytes(secret)))
