"""What goes before a model on its way to a board: which model, for which boards, how new, and who says so.

One source for the board and the host. Layout and meaning: docs/updates.md.
"""

import struct

from .checksum import crc32

SIZE = 136
"""Bytes of a manifest."""

UNSIGNED, ED25519, HMAC = 0, 1, 2
ALGORITHMS = ("none", "ed25519", "hmac-sha256")

DOWNGRADE = 1
"""Flag: the signer knows that the model is older than one it has signed before."""

CLASS_SIZE = 16
_MAGIC = b"OBUP"
_FORMAT = 1
# so that no signature of one thing can be taken for that of another
_CONTEXT = b"offbeat model update 1\n"
_TRUST = b"offbeat trust 2\n"
_LAYOUT = "<4sBBBBII16s32s"
_SIGNED = 64  # bytes
_SIGNATURE = 64
_HIGHEST = 0xFFFFFFFF


class ManifestError(ValueError):
    """A manifest that cannot be used; the message is one word: form, crc or format."""


class Manifest:
    """A model that is offered. algorithm: of the signature; flags; version: its number, 1 … 2^32 - 1, higher is newer;
    length: of the model file in bytes; device_class: text of at most 16 bytes; digest: SHA-256 of the model file;
    signature: 64 bytes, padded with zeros; raw: all of it as it is sent and stored."""

    def __init__(self, raw):
        if len(raw) != SIZE:
            raise ManifestError("form")
        self.raw = bytes(raw)
        (stored,) = struct.unpack_from("<I", self.raw, SIZE - 4)
        if crc32(self.raw[:-4]) & 0xFFFFFFFF != stored:
            raise ManifestError("crc")
        magic, form, self.algorithm, self.flags, rest, self.version, self.length, name, self.digest = (
            struct.unpack_from(_LAYOUT, self.raw, 0)
        )
        if magic != _MAGIC:
            raise ManifestError("form")
        if form != _FORMAT or self.algorithm >= len(ALGORITHMS) or self.flags & ~DOWNGRADE or rest:
            raise ManifestError("format")
        try:
            self.device_class = unpadded(name)
        except (UnicodeError, ValueError):
            raise ManifestError("form")
        if not self.version or not self.length:
            raise ManifestError("form")
        self.signature = self.raw[_SIGNED : _SIGNED + _SIGNATURE]

    def signed(self):
        """The bytes that the signature is of."""
        return signed(self.raw)


def signed(raw):
    """What a signature covers: everything before it, after a text that says what is signed."""
    return _CONTEXT + bytes(raw[:_SIGNED])


def unsigned(algorithm, flags, version, length, device_class, digest):
    """The first part of a manifest, to be signed. Raises ValueError where a field does not fit its place."""
    name = device_class.encode()
    if len(name) > CLASS_SIZE or b"\0" in name or not 0 < version <= _HIGHEST or not 0 < length <= _HIGHEST:
        raise ValueError("a field of the manifest does not fit")
    return struct.pack(_LAYOUT, _MAGIC, _FORMAT, algorithm, flags, 0, version, length, name, digest)


def seal(first, signature=b""):
    """A manifest of its first part and its signature."""
    raw = first + signature + bytes(_SIGNATURE - len(signature)) + bytes(SIZE - _SIGNED - _SIGNATURE - 4)
    return raw + struct.pack("<I", crc32(raw) & 0xFFFFFFFF)


def trust_statement(algorithm, key, device_class, unique):
    """What the key that counts so far signs, to hand over to another one (32 bytes) and a device class (bytes).

    unique: the id of the one board that it is for, text, so that nobody can say it again to another one.
    """
    return _TRUST + bytes([algorithm, len(device_class)]) + bytes(key) + device_class + unique.encode()


def unpadded(name):
    """Text of a field that is padded with zeros. Raises UnicodeError or ValueError where it is none."""
    text = name
    while text and not text[-1]:
        text = text[:-1]
    if b"\0" in text:
        raise ValueError
    return text.decode()
