"""Encryption of values that nobody may read with the database alone."""

import base64
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.encoding import force_bytes

MARK = "gcm:"
"""Prefix of every encrypted value."""

_NONCE_BYTES = 12


def encrypt(text: str, purpose: str) -> str:
    """Encrypt with a key derived from ``SECRET_KEY``.

    Args:
        purpose: Such as ``second factors``; each has keys of its own.
    """
    nonce = secrets.token_bytes(_NONCE_BYTES)
    key = derived(settings.SECRET_KEY, purpose)
    encrypted = AESGCM(key).encrypt(nonce, text.encode(), None)
    return MARK + base64.urlsafe_b64encode(nonce + encrypted).decode()


def decrypt(text: str, purpose: str) -> str:
    """Decrypt with the present key or a former one.

    Raises:
        InvalidTag: No key of ours encrypted it for this purpose.
    """
    data = base64.urlsafe_b64decode(text.removeprefix(MARK))
    nonce, encrypted = data[:_NONCE_BYTES], data[_NONCE_BYTES:]
    for key in secret_keys():
        try:
            return (
                AESGCM(derived(key, purpose)).decrypt(nonce, encrypted, None).decode()
            )
        except InvalidTag:
            continue
    raise InvalidTag


def secret_keys() -> list[str | bytes]:
    return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]


def derived(secret: str | bytes, purpose: str) -> bytes:
    """Return the key for one purpose, 32 bytes."""
    info = f"curfew {purpose}".encode()
    kdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=info)
    return kdf.derive(force_bytes(secret))
