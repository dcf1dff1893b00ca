"""Second factors: how their seeds are kept, and how the QR code is drawn."""

import base64
import secrets

from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.encoding import force_bytes
from django.utils.safestring import SafeString, mark_safe

_GCM = "gcm:"
_NONCE_BYTES = 12


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # untyped library
    """Seals seeds: who reads the database alone cannot compute anybody's codes."""

    def encrypt(self, text: str) -> str:
        """Seal a seed with a key derived from ``SECRET_KEY``."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(_derived(settings.SECRET_KEY)).encrypt(
            nonce, text.encode(), None
        )
        return _GCM + base64.urlsafe_b64encode(nonce + sealed).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Open what ``encrypt`` sealed, now, under a former key or in its former way.

        Raises:
            InvalidTag: No key of ours sealed it.
            InvalidToken: The same, of a former seal.
        """
        keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
        if not encrypted_text.startswith(_GCM):
            return _former_sealer(keys).decrypt(encrypted_text.encode()).decode()
        sealed = base64.urlsafe_b64decode(encrypted_text.removeprefix(_GCM))
        nonce, sealed = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        for key in keys:
            try:
                return AESGCM(_derived(key)).decrypt(nonce, sealed, None).decode()
            except InvalidTag:
                continue
        raise InvalidTag

    def build_totp_svg(self, url: str) -> SafeString:
        """The QR code as an ``<svg>`` to stand in the page.

        allauth's template shows it by a ``data:`` address, which our content policy
        does not allow. The markup is the QR library's: the address is in its shapes
        only, not in its text.
        """
        svg: str = super().build_totp_svg(url)
        return mark_safe(svg[svg.index("<svg") :])  # noqa: S308


def _former_sealer(keys: list[str | bytes]) -> MultiFernet:
    """Of seeds from before AES-GCM."""
    return MultiFernet(
        [Fernet(base64.urlsafe_b64encode(_derived(key))) for key in keys]
    )


def _derived(secret: str | bytes) -> bytes:
    kdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"curfew second factors")
    return kdf.derive(force_bytes(secret))
