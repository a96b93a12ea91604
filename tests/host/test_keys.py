"""Keys and signatures on the host: nobody else reads a private key, and nothing shows one."""

from __future__ import annotations

import hashlib
import hmac
import io
import os
import stat
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from offbeat.device.manifest import ALGORITHMS, DOWNGRADE, ED25519, HMAC, SIZE, Manifest, ManifestError, signed
from offbeat.host.cli.keys import new, show
from offbeat.host.update.keys import create_key, key_path, load_key
from offbeat.host.update.signing import make_manifest, read_candidate, sign_model
from offbeat.train.errors import InputError
from tests.host.helpers import whole_model
from tests.host.small import small_model


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OFFBEAT_KEYS", str(tmp_path / "keys"))


def test_a_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        for name, algorithm in (("line3", ED25519), ("small", HMAC)):
            key = create_key(name, algorithm)
            assert stat.S_IMODE(key.path.stat().st_mode) == 0o600
            assert load_key(name).public == key.public and load_key(str(key.path)).algorithm == algorithm
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == ["line3.key", "small.key"]


def test_a_key_that_others_may_read_is_refused() -> None:
    path = create_key("line3").path
    for mode in (0o640, 0o604, 0o666, 0o620, 0o601):
        path.chmod(mode)
        with pytest.raises(InputError, match="chmod 600"):
            load_key("line3")
    path.chmod(0o400)
    assert load_key("line3").public


def test_nothing_replaces_a_key() -> None:
    path = create_key("line3").path
    before = path.read_bytes()
    for algorithm in (ED25519, HMAC):
        with pytest.raises(InputError, match="nothing replaces it"):
            create_key("line3", algorithm)
    assert path.read_bytes() == before


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "line3.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="key"):
        create_key("line3")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("name", ["", "a b", "-x", "a\nb", "x" * 65, "ä", ".hidden"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(InputError, match="is no name of a key"):
        key_path(name)


def test_an_encrypted_key_needs_its_passphrase() -> None:
    key = create_key("line3", passphrase="hush")
    assert b"ENCRYPTED" in key.path.read_bytes()
    assert load_key("line3", lambda question: "hush").public == key.public
    with pytest.raises(InputError, match="passphrase is wrong"):
        load_key("line3", lambda question: "hash")
    with pytest.raises(InputError, match="encrypted"):
        load_key("line3")
    with pytest.raises(InputError, match="is not encrypted"):
        create_key("small", HMAC, "hush")


def test_files_that_are_no_keys(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    path = tmp_path / "keys" / "line3.key"
    other = generate_private_key(SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for content, says in (
        (b"", "no key"),
        (b"-----BEGIN PRIVATE KEY-----\n", "no key"),
        (os.urandom(300), "no key"),
        (other, "another kind"),
        (b"offbeat hmac-sha256 key 1\n1234\n", "damaged"),
        (b"offbeat hmac-sha256 key 1\nxyz\n", "damaged"),
    ):
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(InputError, match=says):
            load_key("line3")
    path.unlink()
    with pytest.raises(InputError, match="offbeat keys new"):
        load_key("line3")


@pytest.mark.parametrize("json", [False, True])
@pytest.mark.parametrize("hmac_key", [False, True])
def test_nothing_shows_a_secret(hmac_key: bool, json: bool) -> None:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        new("line3", hmac=hmac_key, json=json)
        show("line3", json=json)
    key = load_key("line3")
    secret = key._private if isinstance(key._private, bytes) else key._private.private_bytes_raw()
    said = out.getvalue() + err.getvalue() + repr(key) + str(key)
    assert secret.hex() not in said and repr(secret) not in said and "PRIVATE" not in said
    assert secret.hex() in key.path.read_text() if hmac_key else b"PRIVATE" in key.path.read_bytes()


def test_a_boards_secret_is_its_own() -> None:
    key = create_key("small", HMAC)
    one, other = key.for_board("a"), key.for_board("b")
    assert one != other and len(one) == 32
    assert key.sign(b"message", "a") == hmac.digest(one, b"message", "sha256")
    assert key.public not in (one, other)
    assert create_key("line3").for_board("a") == load_key("line3").for_board("b") == load_key("line3").public


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "fan").mkdir()
    (tmp_path / "fan" / "model.beat").write_bytes(small_model())
    return tmp_path / "fan"


def test_a_signature_goes_beside_the_model(model: Path) -> None:
    key = create_key("line3")
    assert read_candidate(model).manifest is None
    found = sign_model(model, key, "pumps", 42)
    manifest = read_candidate(model).manifest
    assert manifest is not None and manifest.raw == found.raw and len(found.raw) == SIZE
    assert (found.version, found.device_class, found.algorithm, found.flags) == (42, "pumps", ED25519, 0)
    assert found.digest == hashlib.sha256((model / "model.beat").read_bytes()).digest()
    Ed25519PublicKey.from_public_bytes(key.public).verify(found.signature, signed(found.raw))
    assert sign_model(model, key, "pumps").version > 1_700_000_000
    assert read_candidate(model / "model.beat").manifest is not None


def test_a_signature_that_does_not_belong_to_the_model(model: Path) -> None:
    sign_model(model, create_key("line3"))
    whole = (model / "model.sig").read_bytes()
    for damaged in (whole[:-1], b"", whole + b"x", whole[:20] + b"?" + whole[21:]):
        (model / "model.sig").write_bytes(damaged)
        with pytest.raises(InputError, match="truncated or damaged"):
            read_candidate(model)
    (model / "model.sig").write_bytes(whole)
    other = make_manifest(read_candidate(model), None, 7)
    assert other.algorithm == 0
    (model / "model.beat").write_bytes(whole_model("gaussian"))
    with pytest.raises(InputError, match="of another model"):
        read_candidate(model)


def test_what_cannot_be_signed(model: Path) -> None:
    key = create_key("line3")
    candidate = read_candidate(model)
    for version, name in ((0, ""), (1 << 32, ""), (-1, ""), (1, "x" * 17), (1, "ä" * 9), (1, "a\0b")):
        with pytest.raises(InputError, match="cannot be signed"):
            make_manifest(candidate, key, version, name)
    with pytest.raises(InputError, match="one board at a time"):
        sign_model(model, create_key("small", HMAC))
    assert make_manifest(candidate, key, 3, "ä" * 8, downgrade=True).flags == DOWNGRADE


def test_every_bit_of_a_manifest_counts(model: Path) -> None:
    raw = sign_model(model, create_key("line3"), "pumps", 42).raw
    for bit in range(8 * len(raw)):
        damaged = bytearray(raw)
        damaged[bit >> 3] ^= 1 << (bit & 7)
        with pytest.raises(ManifestError):
            Manifest(bytes(damaged))
    assert len(ALGORITHMS) == 3
