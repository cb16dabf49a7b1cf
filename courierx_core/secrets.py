"""Secrets at rest: encrypted under COURIERX_SECRET_KEY (SECURITY: S19).

What a person gives us to keep (a provider's password, a DKIM key) is stored as `SecretBox.encrypt` gives
it, in a column that `courierx_sql.tables` marks as encrypted, so that `renew_secrets` finds it.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from typing import TYPE_CHECKING

from courierx_core.errors import ConfigError

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet


class SecretBox:
    """Encrypts under the newest secret, decrypts under all of them (Fernet: AES-128-CBC and HMAC).

    Raises ConfigError when there is none, or a blank one.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        if not secrets or not all(secret.strip() for secret in secrets):
            raise ConfigError("COURIERX_SECRET_KEY holds no secret, or an empty one.")
        self._keys = tuple(_key(secret) for secret in secrets)
        self._opened: MultiFernet | None = None

    def __repr__(self) -> str:
        return f"SecretBox({len(self._keys)} keys)"

    def encrypt(self, plain: bytes) -> bytes:
        return self._fernet.encrypt(plain)

    def decrypt(self, kept: bytes) -> bytes:
        """Raises ConfigError where none of the secrets encrypted it."""
        from cryptography.fernet import InvalidToken

        try:
            return self._fernet.decrypt(kept)
        except InvalidToken:
            raise ConfigError(
                "A stored secret cannot be decrypted: COURIERX_SECRET_KEY lacks the secret it was encrypted "
                "under. Put the old one back, after the new, and run `courierx keys rotate-secret`."
            ) from None

    def renew(self, kept: bytes) -> bytes:
        """Encrypt under the newest secret what any of them encrypted. Raises ConfigError like `decrypt`."""
        return self.encrypt(self.decrypt(kept))

    @property
    def _fernet(self) -> MultiFernet:
        if self._opened is None:
            # cryptography takes 50 ms to import, and most processes keep no secret
            from cryptography.fernet import Fernet, MultiFernet

            self._opened = MultiFernet([Fernet(key) for key in self._keys])
        return self._opened


def _key(secret: str) -> bytes:
    digest = hashlib.blake2b(secret.encode(), digest_size=32, person=b"courierx secret").digest()
    return urlsafe_b64encode(digest)
