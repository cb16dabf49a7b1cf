"""The install's secret keys: from COURIERX_SECRET_KEY, else from a key file beside the settings."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Sequence
from pathlib import Path

from courierx_app.settings import Settings
from courierx_core.errors import ConfigError

FILE = "courierx.key"
_NOTE = "# CourierX's secret key. Back it up: without it links in sent mail and stored secrets are lost.\n"


def secret_keys(settings: Settings, folder: Path) -> list[str]:
    """Return the keys, newest first; outside production the file is made (0600) when there is none.

    Raises ConfigError in production without a key.
    """
    require_key(settings, folder)
    if settings.secret_key:
        return [key.reveal() for key in settings.secret_key]
    path = folder / FILE
    if not (keys := _read(path)):
        _create(path)
        keys = _read(path)
    return keys


def require_key(settings: Settings, folder: Path) -> None:
    """Raise ConfigError where production has neither the setting nor a key file."""
    if settings.environment == "production" and not settings.secret_key and not (folder / FILE).exists():
        raise ConfigError(
            "COURIERX_SECRET_KEY is not set; with ENVIRONMENT=production it takes a long random text: "
            'python -c "import secrets; print(secrets.token_urlsafe(32))"'
        )


def _read(path: Path) -> list[str]:
    try:
        lines: Sequence[str] = path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigError(f"The key file {path} cannot be read: {problem}") from None
    keys = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not keys:
        raise ConfigError(f"The key file {path} holds no key; restore it, or remove it to get a new one.")
    return keys


def _create(path: Path) -> None:
    """Write a new key; another process sees all of it or nothing, and who comes second keeps the first's."""
    try:
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".courierx-key-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(f"{_NOTE}{secrets.token_urlsafe(32)}\n")
            os.link(draft, path)
        except FileExistsError:
            return
        finally:
            os.unlink(draft)
    except OSError as problem:
        raise ConfigError(f"The key file {path} cannot be written: {problem}") from None
