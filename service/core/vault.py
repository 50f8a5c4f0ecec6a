"""Secrets at rest: sealed with the newest key, opened with any that is still named.

Keys are Fernet's (AES-128-CBC with HMAC-SHA256, https://github.com/fernet/spec). `FIRSTBELL_SECRET_KEYS`
names them, the newest first, with commas between; without it a key is made once in the service's home
folder, which is right for one machine and wrong for several.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import orjson
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from service.core.settings import Settings, settings

KEY_FILE = "secret.key"


class KeyMissing(Exception):
    """No key that is named opens this secret: the key it was sealed with is gone."""


class Vault:
    def __init__(self, keys: list[str]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def seal(self, secret: dict[str, str]) -> bytes:
        return self._fernet.encrypt(orjson.dumps(secret))

    def open(self, sealed: bytes) -> dict[str, str]:
        try:
            opened: dict[str, str] = orjson.loads(self._fernet.decrypt(sealed))
        except InvalidToken:
            raise KeyMissing("No key of FIRSTBELL_SECRET_KEYS opens this secret.") from None
        return opened

    def reseal(self, sealed: bytes) -> bytes:
        """The same secret under the newest key."""
        try:
            return self._fernet.rotate(sealed)
        except InvalidToken:
            raise KeyMissing("No key of FIRSTBELL_SECRET_KEYS opens this secret.") from None


def new_key() -> str:
    return Fernet.generate_key().decode()


def open_vault(configured: Settings | None = None) -> Vault:
    """The vault of this service; makes its key the first time where none is configured."""
    chosen = configured or settings()
    if chosen.secret_keys is not None:
        keys = [key.strip() for key in chosen.secret_keys.get_secret_value().split(",") if key.strip()]
        try:
            return Vault(keys)
        except ValueError:
            raise ValueError(
                "FIRSTBELL_SECRET_KEYS holds something that is no key (firstbell secrets new-key)."
            ) from None
    return Vault([_own_key(chosen.home)])


def _own_key(home: Path) -> str:
    """Made whole beside its place and then linked there: of two processes at once, one key wins."""
    path = home / KEY_FILE
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        handle, made = tempfile.mkstemp(dir=home, prefix=KEY_FILE)
        with os.fdopen(handle, "w") as file:
            file.write(new_key() + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(made, path)
        os.unlink(made)
    return path.read_text().strip()
