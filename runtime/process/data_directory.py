"""The data directory holds generated secrets, images, and the embedded database."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography.fernet import Fernet

from runtime.errors import ConfigurationError, DataDirectoryError
from runtime.process.config import Settings

TOKEN_SECRET_FILE = "token_secret"
ENCRYPTION_KEYS_FILE = "encryption_keys"
MEDIA_DIRECTORY = "media"
OWNER_ONLY = 0o700
"""The mode of a directory that nobody else may read, whatever the umask is."""


def ensure_data_directory(settings: Settings) -> Path:
    """Create the directory if it is missing.

    Raises:
        DataDirectoryError: the directory cannot be created or written.
    """
    path = settings.data_dir.expanduser().absolute()
    try:
        path.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
        probe = path / f".probe-{secrets.token_hex(8)}"
        # Only a write tells whether one can write.
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise DataDirectoryError(
            f"the data directory {path} cannot be written ({error.strerror}): "
            "make it writable, or set RUNTIME_DATA_DIR to one that is"
        ) from None
    return path


def token_secret(settings: Settings) -> str:
    """Return the key that signs bridge tokens.

    Raises:
        ConfigurationError: the configured key is too short to be safe.
    """
    if settings.token_secret is not None:
        secret = settings.token_secret.get_secret_value()
        # RFC 7518 wants a key of at least the length of the hash.
        shortest = int(settings.token_algorithm.removeprefix("HS")) // 8
        size = len(secret.encode())
        if size < shortest:
            raise ConfigurationError(
                f"RUNTIME_TOKEN_SECRET has {size} bytes; {settings.token_algorithm} needs "
                f"at least {shortest}: set a longer one, or none to have one generated"
            )
        return secret
    return _secret(settings, TOKEN_SECRET_FILE, lambda: secrets.token_urlsafe(48))


def media_directory(settings: Settings) -> Path:
    """Return the directory of images, which is created if it is missing.

    Raises:
        DataDirectoryError: the directory cannot be created.
    """
    if settings.media_dir is None:
        path = ensure_data_directory(settings) / MEDIA_DIRECTORY
    else:
        path = settings.media_dir.expanduser().absolute()
    try:
        path.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
    except OSError as error:
        raise DataDirectoryError(
            f"the media directory {path} cannot be made ({error.strerror}): "
            "make it, or set RUNTIME_MEDIA_DIR to another one"
        ) from None
    return path


def encryption_keys(settings: Settings) -> list[str]:
    """Return the Fernet keys for credentials, the newest first.

    Raises:
        ConfigurationError: one of the configured keys is no Fernet key.
    """
    if settings.encryption_keys is not None:
        text = settings.encryption_keys.get_secret_value()
    else:
        text = _secret(settings, ENCRYPTION_KEYS_FILE, lambda: Fernet.generate_key().decode())
    keys = [key.strip() for key in text.replace("\n", ",").split(",") if key.strip()]
    for number, key in enumerate(keys, 1):
        try:
            Fernet(key)
        except ValueError:
            raise ConfigurationError(
                f"key {number} of RUNTIME_ENCRYPTION_KEYS is no Fernet key: it must be 32 bytes, "
                "url-safe base64"
            ) from None
    return keys


def _secret(settings: Settings, name: str, make: Callable[[], str]) -> str:
    path = ensure_data_directory(settings) / name
    try:
        if not path.exists():
            _write_once(path, make())
        text = path.read_text().strip()
    except OSError as error:
        raise DataDirectoryError(
            f"{path} cannot be read or written ({error.strerror}): give this user access"
        ) from None
    # A new secret in the place of a lost one would make all stored credentials unreadable, and
    # nobody would know why.
    if not text:
        raise DataDirectoryError(
            f"{path} is empty: put back what it held, or remove it to have a new one made"
        )
    return text


def _write_once(path: Path, text: str) -> None:
    """Create the file; of two processes that start at once, one wins and both read its file."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    # The mode is set at the creation: a chmod afterwards would leave a moment for others to read.
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
    try:
        # A hard link appears with its whole content, and fails if another process was first.
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
