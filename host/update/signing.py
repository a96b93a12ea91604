"""Signs a model: a manifest beside the model file says which model it is, for which boards, how new, and who says
so."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from offbeat.device import manifest as layout
from offbeat.device.manifest import Manifest, ManifestError
from offbeat.device.modelfile import Model, ModelError, parse
from offbeat.train.errors import InputError
from offbeat.train.modelfile import write_atomically

from .board_side import About
from .keys import Key

__all__ = ["Candidate", "check_signature", "make_manifest", "read_candidate", "sign_model"]

_CLASS_SIZE = layout.CLASS_SIZE


@dataclass(frozen=True)
class Candidate:
    """A model that may be sent. path: of its file; data: all of it; model: parsed; manifest: the one beside it, or
    None."""

    path: Path
    data: bytes
    model: Model
    manifest: Manifest | None

    @property
    def digest(self) -> bytes:
        """SHA-256 of the model file."""
        return hashlib.sha256(self.data).digest()


def _signature_path(model: Path) -> Path:
    return model.with_suffix(".sig")


def read_candidate(model_dir: str | Path, signature: bool = True) -> Candidate:
    """Read a model file, or that of a model directory, and the signature beside it, if wanted. Raises InputError."""
    path = Path(model_dir)
    if path.is_dir():
        path = path / "model.beat"
    try:
        data = path.read_bytes()
        model = parse(data)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such model file; train one with `offbeat train`") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    except ModelError as error:
        raise InputError(f"{path}: {error}; copy it again, or train it anew") from None
    manifest = _read_manifest(path, hashlib.sha256(data).digest()) if signature else None
    return Candidate(path, data, model, manifest)


def _read_manifest(model: Path, digest: bytes) -> Manifest | None:
    path = _signature_path(model)
    try:
        with path.open("rb") as file:
            raw = file.read(layout.SIZE + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        found = Manifest(raw)
    except ManifestError:
        raise InputError(
            f"{path}: this signature is truncated or damaged; sign the model again, `offbeat keys sign`"
        ) from None
    if found.digest != digest:
        raise InputError(
            f"{path}: this is the signature of another model than {model.name}; sign it again, `offbeat keys sign`"
        )
    return found


def make_manifest(
    candidate: Candidate,
    key: Key | None,
    version: int,
    device_class: str = "",
    unique: str = "",
    downgrade: bool = False,
) -> Manifest:
    """A manifest for a model. key: None for none; version: 1 to 2^32 - 1; unique: of the board, for HMAC.

    Raises InputError where a value does not fit.
    """
    algorithm = layout.UNSIGNED if key is None else key.algorithm
    try:
        first = layout.unsigned(
            algorithm,
            layout.DOWNGRADE if downgrade else 0,
            version,
            len(candidate.data),
            device_class,
            candidate.digest,
        )
    except ValueError:
        raise InputError(
            f"version {version} or class {device_class!r} cannot be signed; versions are 1 to 4294967295, a class is "
            f"text of at most {_CLASS_SIZE} bytes"
        ) from None
    return Manifest(layout.seal(first, b"" if key is None else key.sign(layout.signed(first), unique)))


def check_signature(manifest: Manifest, found: About, port: str) -> None:
    """Raises InputError where a board would not take a manifest: wrong key, wrong class, not newer."""
    if manifest.device_class != found.device_class:
        raise InputError(
            f"{port}: the model is signed for device class {manifest.device_class!r}, the board is of class "
            f"{found.device_class!r}; sign it for that one, `offbeat keys sign --class`"
        )
    try:
        Ed25519PublicKey.from_public_bytes(found.key).verify(manifest.signature, manifest.signed())
    except (InvalidSignature, ValueError):
        raise InputError(
            f"{port}: the model is signed with another key than the board trusts (its public key is "
            f"{found.key.hex()}); sign it with that one, `offbeat keys sign`"
        ) from None
    if manifest.version <= found.version:
        raise InputError(
            f"{port}: the model is signed as version {manifest.version}, the board has had version {found.version}; "
            "to go back on purpose, push with --downgrade and --key, which signs it anew"
        )


def sign_model(model_dir: str | Path, key: Key, device_class: str = "", version: int | None = None) -> Manifest:
    """Sign a model for all boards of a class, and write the signature beside it, ``model.sig``.

    version: higher is newer; by default the time, in seconds since 1970. Raises InputError, also for a key for HMAC,
    whose signatures are for one board each and made by ``push``.
    """
    if key.algorithm != layout.ED25519:
        raise InputError(
            f"{key.path}: a key for HMAC-SHA256 signs for one board at a time; `offbeat push --key` does it"
        )
    candidate = read_candidate(model_dir, signature=False)
    found = make_manifest(candidate, key, int(time.time()) if version is None else version, device_class)
    write_atomically(_signature_path(candidate.path), found.raw)
    return found
