"""Keys that sign models. A private key never leaves this computer, and nobody but its owner may read it.

Ed25519 (RFC 8032) keys are PEM files as OpenSSL writes them (PKCS #8, RFC 5958), encrypted on demand. A key for
HMAC-SHA256 is 32 random bytes, of which each board gets one of its own: HMAC-SHA256 of its id.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import re
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from offbeat.device.manifest import ED25519, HMAC
from offbeat.train.errors import InputError

__all__ = ["Key", "create_key", "key_path", "load_key"]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_HMAC_HEAD: Final = b"offbeat hmac-sha256 key 1\n"
_DEVICE: Final = b"offbeat device key 1\n"
_MOST: Final = 10_000  # bytes of a key file


@dataclass(frozen=True)
class Key:
    """A key that signs. path: of its file; algorithm: ED25519 or HMAC of ``manifest``."""

    path: Path
    algorithm: int
    _private: Ed25519PrivateKey | bytes = field(repr=False)

    @property
    def public(self) -> bytes:
        """The public key of Ed25519, 32 bytes; of HMAC a name for the key that tells nothing of it."""
        if isinstance(self._private, bytes):
            return hashlib.sha256(b"offbeat key name\n" + self._private).digest()
        return self._private.public_key().public_bytes_raw()

    @property
    def fingerprint(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of ``public``."""
        return hashlib.sha256(self.public).hexdigest()[:16]

    def for_board(self, unique: str) -> bytes:
        """What a board with this id is given, 32 bytes: the public key, or the secret that is its own."""
        if isinstance(self._private, bytes):
            return hmac.digest(self._private, _DEVICE + unique.encode(), "sha256")
        return self.public

    def sign(self, message: bytes, unique: str = "") -> bytes:
        """Signature of a message, 64 bytes; of HMAC 32 bytes, for the board with this id alone."""
        if isinstance(self._private, bytes):
            return hmac.digest(self.for_board(unique), message, "sha256")
        return self._private.sign(message)


def key_path(name: str) -> Path:
    """File of a key: a path as it is, a name in $OFFBEAT_KEYS or ~/.config/offbeat/keys. Raises InputError."""
    if os.sep in name or name.endswith((".key", ".pem")):
        return Path(name)
    if not _NAME.fullmatch(name):
        raise InputError(f"{name!r} is no name of a key; use letters, digits, and _ . - between them, or a path")
    place = (
        os.environ.get("OFFBEAT_KEYS")
        or Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "offbeat/keys"
    )
    return Path(place) / f"{name}.key"


def create_key(name: str, algorithm: int = ED25519, passphrase: str = "") -> Key:
    """Make a new key and write its file, for its owner alone. Raises InputError where there is one already."""
    path = key_path(name)
    private: Ed25519PrivateKey | bytes
    if algorithm == HMAC:
        if passphrase:
            raise InputError("a key for HMAC-SHA256 is not encrypted; leave --encrypt out, or take an Ed25519 key")
        private = secrets.token_bytes(32)
        data = _HMAC_HEAD + private.hex().encode() + b"\n"
    else:
        private = Ed25519PrivateKey.generate()
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if passphrase:
            encryption = serialization.BestAvailableEncryption(passphrase.encode())
        data = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    _write_secret(path, data)
    return Key(path, algorithm, private)


def _write_secret(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise InputError(f"{path}: there is a key already, and nothing replaces it; choose another name") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); choose another place") from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
        raise


def load_key(name: str, ask: Callable[[str], str] | None = None) -> Key:
    """Read a key. ask: gives the passphrase of an encrypted one, is called with a question.

    Raises InputError where there is none, where others may read it, or where it is no key.
    """
    path = key_path(name)
    data = _read_secret(path)
    if data.startswith(_HMAC_HEAD):
        return Key(path, HMAC, _secret_of(path, data))
    try:
        private = _private(path, data, ask)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InputError(f"{path}: this is no key of `offbeat keys new`, or the passphrase is wrong") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise InputError(f"{path}: this is a key of another kind; offbeat signs with Ed25519, see `offbeat keys new`")
    return Key(path, ED25519, private)


def _read_secret(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise InputError(f"{path}: others may read this private key; `chmod 600 {path}`, or make a new one")
            return file.read(_MOST)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such key; make one with `offbeat keys new`") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


def _secret_of(path: Path, data: bytes) -> bytes:
    try:
        secret = bytes.fromhex(data[len(_HMAC_HEAD) :].decode().strip())
    except ValueError:
        secret = b""
    if len(secret) != 32:
        raise InputError(f"{path}: the key is damaged; restore it from your backup")
    return secret


def _private(path: Path, data: bytes, ask: Callable[[str], str] | None) -> object:
    try:
        return serialization.load_pem_private_key(data, None)
    except TypeError:  # encrypted
        if ask is None:
            raise InputError(f"{path}: this key is encrypted, and nobody is there to ask for its passphrase") from None
        return serialization.load_pem_private_key(data, ask(f"Passphrase of {path}").encode())
