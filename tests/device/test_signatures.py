"""Hashes and Ed25519 of the board's own code: published vectors and the host's library, under MicroPython and
CPython."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tests.parity.board import PACKAGE, micropython

ORDER = (1 << 252) + 27742317777372353535851937790883648493
PRIME = (1 << 255) - 19

# RFC 8032, section 7.1: secret key, public key, message, signature
VECTORS = {
    "1": (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    "2": (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    "3": (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    "SHA(abc)": (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
}

SCRIPT = """
import json, sys
from offbeat.ed25519 import verify
from offbeat.sha2 import Sha2, hmac256, same
answers = []
for kind, *words in json.loads(sys.stdin.read()):
    raw = [bytes([int(word[i:i + 2], 16) for i in range(0, len(word), 2)]) for word in words]
    if kind == "verify":
        answers.append(verify(*raw))
    elif kind == "hmac":
        answers.append("".join("%02x" % byte for byte in hmac256(*raw)))
    else:
        hash = Sha2(int(kind))
        for piece in raw:
            hash.update(piece)
        answers.append("".join("%02x" % byte for byte in hash.digest()))
print(json.dumps(answers))
"""


@pytest.fixture(params=["micropython", "cpython"])
def found(request: pytest.FixtureRequest) -> Any:
    """Asks the board's modules, each question a list of a kind and hexadecimal words."""

    def ask(*questions: tuple[str, ...]) -> list[Any]:
        command, script = micropython(), f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r})\n" + SCRIPT
        if request.param == "cpython":
            command, script = sys.executable, SCRIPT.replace("from offbeat.", "from offbeat.device.")
        done = subprocess.run(
            [command, "-c", script], input=json.dumps(questions), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return json.loads(done.stdout)

    return ask


def test_hashes_are_the_librarys(found: Any) -> None:
    generator = random.Random(1)
    questions, expected = [], []
    for length in (0, 1, 3, 55, 56, 63, 64, 65, 111, 112, 119, 127, 128, 129, 1000):
        data = generator.randbytes(length)
        cut = generator.randrange(length + 1)
        for bits in ("256", "512"):
            questions.append((bits, data[:cut].hex(), data[cut:].hex()))
            expected.append(hashlib.new(f"sha{bits}", data).hexdigest())
        questions.append(("hmac", data[:64].hex(), data.hex()))
        expected.append(hmac.digest(data[:64], data, "sha256").hex())
    assert found(*questions) == expected


def test_published_signatures(found: Any) -> None:
    for secret, public, message, signature in VECTORS.values():  # written down as in the RFC
        key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret))
        assert key.public_key().public_bytes_raw().hex() == public
        assert key.sign(bytes.fromhex(message)).hex() == signature
    assert found(*(("verify", *vector[1:]) for vector in VECTORS.values())) == [True] * len(VECTORS)


def library_says(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
        return True
    except (InvalidSignature, ValueError):
        return False


def test_right_and_wrong_signatures_as_the_library_finds_them(found: Any) -> None:
    generator = random.Random(2)
    cases = []
    for number in range(12):
        key = Ed25519PrivateKey.from_private_bytes(generator.randbytes(32))
        public = key.public_key().public_bytes_raw()
        message = generator.randbytes(number * 17)
        signature = key.sign(message)
        cases.append((public, message, signature))
        for _ in range(3):
            at = generator.randrange(64)
            damaged = bytearray(signature)
            damaged[at] ^= 1 << generator.randrange(8)
            cases.append((public, message, bytes(damaged)))
        cases.append((public, message + b"x", signature))
        scalar = int.from_bytes(signature[32:], "little") + ORDER  # the same signature, not in its only form
        cases.append((public, message, signature[:32] + scalar.to_bytes(32, "little")))
    cases += [
        (b"\xff" * 32, b"m", signature), (PRIME.to_bytes(32, "little"), b"m", signature),
        ((PRIME + 1).to_bytes(32, "little"), b"m", signature), (b"\x02" + bytes(31), b"m", signature),
        (b"\x01" + bytes(30) + b"\x80", b"m", signature),
    ]  # fmt: skip
    expected = [library_says(*case) for case in cases]
    assert expected.count(True) == 12
    assert found(*(("verify", *(part.hex() for part in case)) for case in cases)) == expected


def test_lengths_that_are_none(found: Any) -> None:
    public, signature = VECTORS["2"][1], VECTORS["2"][3]
    questions = [
        ("verify", public, "72", signature[:-2]),
        ("verify", public, "72", signature + "00"),
        ("verify", public, "72", ""),
        ("verify", public[:-2], "72", signature),
        ("verify", public + "00", "72", signature),
    ]
    assert found(*questions) == [False] * len(questions)


def test_no_private_key_is_on_the_board() -> None:
    for path in Path(PACKAGE).rglob("*.py"):
        assert not re.search(r"def sign\b|private", path.read_text()), path
