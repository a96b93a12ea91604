"""A model's way onto a board that runs, over a virtual board's cable: sent, checked, tried, confirmed, or not."""

from __future__ import annotations

import io
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from offbeat.device import link
from offbeat.device import manifest as layout
from offbeat.device.modelfile import parse
from offbeat.host.board import Board
from offbeat.host.cli import main
from offbeat.host.errors import BoardError, Unplugged
from offbeat.host.events import event_of
from offbeat.host.lines import Line
from offbeat.host.update import push as push_module
from offbeat.host.update.keys import Key, create_key
from offbeat.host.update.push import PushPlan, PushReport, push, revert
from offbeat.host.update.signing import make_manifest, read_candidate, sign_model
from offbeat.host.update.trust import provision
from offbeat.host.virtual import VirtualBoard
from offbeat.train.errors import InputError
from tests.host.helpers import until, whole_model
from tests.host.small import hum, needs_micropython, small_model, source
from tests.host.test_board import ScriptedDevice

SHORT = PushPlan(test="20", probation="20")
OLD, NEW = parse(small_model()).identity, parse(whole_model("gaussian")).identity


@pytest.fixture(autouse=True)
def _own_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("OFFBEAT_KEYS", str(tmp_path / "keys"))
    monkeypatch.setattr(push_module, "_POLL", 0.05)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return written(tmp_path / "old", small_model())


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return written(tmp_path / "new", whole_model("gaussian"))


def written(directory: Path, model: bytes) -> Path:
    directory.mkdir()
    (directory / "model.beat").write_bytes(model)
    return directory


@pytest.fixture
def virtual(old: Path) -> Iterator[VirtualBoard]:
    with VirtualBoard(source=source(), model=old, speed=20.0) as running:
        yield running


def runs(virtual: VirtualBoard, reset: bool = True) -> str:
    """Identity of the model that the board runs, by default after a reset."""
    if reset:
        virtual.reset()
    with Board.open(virtual.port) as board:
        return board.hello.model


def confirmed(report: PushReport) -> PushReport:
    assert (report.outcome, report.model, report.why) == ("confirmed", NEW, ""), report
    return report


def offbeat(*words: object) -> tuple[int, str, str]:
    """Run the command line in this process: exit code, standard output, standard error."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patched, redirect_stdout(out), redirect_stderr(err):
        patched.setattr("sys.argv", ["offbeat", *map(str, words)])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return code, out.getvalue(), err.getvalue()


@needs_micropython
def test_a_new_model_comes_into_service_and_stays(virtual: VirtualBoard, new: Path) -> None:
    stages: list[str] = []
    report = confirmed(push(new, virtual.port, plan=SHORT, progress=lambda stage, share: stages.append(stage)))
    assert (report.version, report.beginnings, report.size) == (1, 1, len(whole_model("gaussian")))
    assert report.test["windows"] >= 20 and report.probation["windows"] >= 20
    assert report.test["alarms"] == report.probation["alarms"] == 0 and "old" in report.probation
    assert set(stages) >= {"sending", "in the shadow", "on probation"}
    assert runs(virtual) == NEW
    again = push(new, virtual.port, plan=SHORT)
    assert (again.outcome, again.sent, again.wire) == ("unchanged", 0, 0)


@needs_micropython
def test_sampling_never_stops(virtual: VirtualBoard, new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every window is scored, as if nothing else went on: numbers without a gap, no sample lost, the old model's
    scores."""
    seen: list[tuple[str, dict[str, str]]] = []
    opened = Board.open

    def listening(port: str) -> Board:
        board = opened(port)
        board.on_line = lambda line: seen.append((line.kind, line.fields))
        return board

    monkeypatch.setattr(Board, "open", listening)
    confirmed(push(new, virtual.port, plan=SHORT))
    monkeypatch.setattr(Board, "open", opened)
    numbers = [int(fields["n"]) for kind, fields in seen if kind == "SCORE"]
    assert len(numbers) > 60 and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert {"SHADOW", "UPDATE"} <= {kind for kind, _ in seen}
    with Board.open(virtual.port) as board:
        assert board.command("HEALTH").integer("lost") == 0


@needs_micropython
@pytest.mark.parametrize("powered", [True, False])
def test_unplugged_at_every_chunk(powered: bool, old: Path, new: Path) -> None:
    """The n-th time the plug is pulled after the n-th chunk, where the cable powers the board; else after every
    chunk."""
    pulled = [0, 0]  # times, chunks since
    with VirtualBoard(source=source(), model=old, speed=20.0, bus_powered=powered) as virtual:

        def pull(stage: str, share: float) -> None:
            if stage == "sending":
                pulled[1] += 1
                if not powered or pulled[1] > pulled[0]:
                    pulled[:] = [pulled[0] + 1, 0]
                    virtual.unplug()
                    virtual.plug()

        report = confirmed(push(new, virtual.port, plan=SHORT, progress=pull))
        assert pulled[0] >= report.size // 144 - 1 and report.beginnings == pulled[0] + 1
        if not powered:
            assert report.sent == report.size, "nothing is sent twice"
        assert runs(virtual) == NEW


@needs_micropython
def test_a_reset_before_the_confirmation_reverts(virtual: VirtualBoard, new: Path) -> None:
    for stage in ("in the shadow", "on probation"):
        done = []

        def reset(now: str, share: float, stage: str = stage, done: list[int] = done) -> None:
            if now == stage and not done:
                done.append(1)
                virtual.reset()

        report = push(new, virtual.port, plan=PushPlan(test="60", probation="60"), progress=reset)
        assert (report.outcome, report.why) == ("reverted", "the board started anew before the model was confirmed")
        assert done and runs(virtual, reset=False) == OLD
        if stage == "on probation":
            assert report.sent == 0, "it was there already"
    confirmed(push(new, virtual.port, plan=SHORT))


@needs_micropython
def test_the_cable_may_go_while_it_is_tried(old: Path, new: Path) -> None:
    with VirtualBoard(source=source(), model=old, speed=20.0, bus_powered=False) as virtual:
        pulled = []

        def pull(stage: str, share: float) -> None:
            if stage not in pulled:
                pulled.append(stage)
                virtual.unplug()
                virtual.plug()

        confirmed(push(new, virtual.port, plan=SHORT, progress=pull))
        assert {"in the shadow", "on probation"} <= set(pulled)


def test_a_monitor_tells_of_an_update() -> None:
    def line(kind: str, **fields: str) -> Line:
        return Line(kind, 1, fields, kind)

    reverted = event_of(line("UPDATE", state="idle", model="00ff", why="alarms"))
    assert reverted is not None and reverted.as_dict() == {
        "event": "update",
        "state": "idle",
        "model": "00ff",
        "why": "alarms",
    }
    assert reverted.text() == "model update: idle, model 00ff decides (alarms)"
    assert event_of(line("SHADOW", n="1", s="2", a="0", us="3")) is None


@needs_micropython
def test_a_host_that_comes_back_finds_the_trial(virtual: VirtualBoard, new: Path) -> None:
    def gone(stage: str, share: float) -> None:
        if stage == "in the shadow":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        push(new, virtual.port, plan=PushPlan(test="60", probation="20"), progress=gone)
    report = confirmed(push(new, virtual.port, plan=SHORT))
    assert report.sent == 0
    with pytest.raises(InputError, match="no model is on trial"):
        revert(virtual.port)


@needs_micropython
def test_given_up_by_hand(virtual: VirtualBoard, new: Path, old: Path) -> None:
    report = push(new, virtual.port, plan=PushPlan(test="100000", detach=True))
    assert report.outcome == "detached"
    code, out, _ = offbeat("push", "--port", virtual.port, "--revert", "--json")
    assert code == 0 and json.loads(out) == {"model": OLD}


@needs_micropython
def test_the_board_confirms_by_its_own_rule(virtual: VirtualBoard, new: Path) -> None:
    report = push(new, virtual.port, plan=PushPlan("20", "20", detach=True))
    assert report.outcome in ("detached", "confirmed")
    assert until(lambda: runs(virtual, reset=False) == NEW)

    def is_over() -> bool:
        with Board.open(virtual.port) as board:
            return board.command("UPDATE").fields["state"] == "idle"

    assert until(is_over)
    assert runs(virtual) == NEW


@needs_micropython
def test_more_false_alarms_than_the_old_model_revert(old: Path, tmp_path: Path) -> None:
    """A model that was trained on another machine: what is normal here is odd to it."""
    nervous = whole_model("gaussian", ("rms",))
    quiet = written(tmp_path / "nervous", nervous)
    counts = np.concatenate([hum(1.0), hum(3.0, size=700.0)])
    with VirtualBoard(source=source(counts), model=old, speed=20.0) as virtual:
        report = push(quiet, virtual.port, plan=PushPlan(test="300", probation="20"))
        assert report.outcome == "reverted" and "alarms" in report.why, report
        assert runs(virtual) == OLD
        code, out, _ = offbeat("push", quiet, "--port", virtual.port, "--test", "300", "--json")
        assert code == 1 and json.loads(out)["outcome"] == "reverted"


# --- signatures ---


@pytest.fixture
def key() -> Key:
    return create_key("line3")


@needs_micropython
def test_a_signed_model_for_a_board_that_wants_one(virtual: VirtualBoard, new: Path, old: Path, key: Key) -> None:
    assert provision(virtual.port, key, "pumps")["board"].startswith("virtual-")
    with pytest.raises(InputError, match="signed models only"):
        push(new, virtual.port, plan=SHORT)
    with pytest.raises(InputError, match="another key than"):
        push(new, virtual.port, key=create_key("other"), plan=SHORT)
    with pytest.raises(InputError, match="kind ed25519"):
        push(new, virtual.port, key=create_key("small", layout.HMAC), plan=SHORT)
    sign_model(new, key, "fans")
    with pytest.raises(InputError, match=r"class 'fans'.*class 'pumps'"):
        push(new, virtual.port, plan=SHORT)
    sign_model(new, create_key("third"), "pumps")
    with pytest.raises(InputError, match="another key than the board trusts"):
        push(new, virtual.port, plan=SHORT)
    sign_model(new, key, "pumps", 1000)
    assert confirmed(push(new, virtual.port, plan=SHORT)).version == 1000
    sign_model(old, key, "pumps", 999)
    with pytest.raises(InputError, match=r"version 999, the board has had version 1000.*--downgrade"):
        push(old, virtual.port, plan=SHORT)
    report = push(old, virtual.port, key=key, plan=PushPlan("20", "20", downgrade=True, device_class="pumps"))
    assert (report.outcome, report.model) == ("confirmed", OLD) and report.version > 1_700_000_000
    with pytest.raises(InputError, match="version"):
        push(new, virtual.port, plan=SHORT)
    assert runs(virtual) == OLD


@needs_micropython
def test_the_board_itself_refuses_what_the_host_would_not_send(
    virtual: VirtualBoard, new: Path, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host, or a gateway, that does not look: the board does."""
    provision(virtual.port, key)
    monkeypatch.setattr(push_module, "check_signature", lambda *_: None)
    sign_model(new, create_key("other"))
    with pytest.raises(BoardError, match="signature is not by the key"):
        push(new, virtual.port, plan=SHORT)
    right = sign_model(new, key)
    truncated = layout.seal(right.raw[:64], right.signature[:40])
    (new / "model.sig").write_bytes(truncated)
    with pytest.raises(BoardError, match="signature is not by the key"):
        push(new, virtual.port, plan=SHORT)
    monkeypatch.setattr(push_module._Push, "_manifest", lambda self, found: make_manifest(self.candidate, None, 7))
    with pytest.raises(BoardError, match="signed models only"):
        push(new, virtual.port, plan=SHORT)
    assert runs(virtual) == OLD


@needs_micropython
def test_a_push_signs_by_itself_and_keeps_the_signature(virtual: VirtualBoard, new: Path, key: Key) -> None:
    provision(virtual.port, key, "pumps")
    with pytest.raises(InputError, match=r"of device class 'pumps', the model is for class ''.*--class"):
        push(new, virtual.port, key=key, plan=SHORT)
    assert not (new / "model.sig").exists()
    report = confirmed(push(new, virtual.port, key=key, plan=PushPlan("20", "20", device_class="pumps")))
    manifest = read_candidate(new).manifest
    assert manifest is not None and (manifest.version, manifest.device_class) == (report.version, "pumps")


@needs_micropython
def test_a_secret_of_each_boards_own(virtual: VirtualBoard, new: Path) -> None:
    secret = create_key("small", layout.HMAC)
    with Board.open(virtual.port) as board:
        unique = board.hello.unique
    with pytest.raises(InputError, match=rf"its id is '{unique}'.*--board-id"):
        provision(virtual.port, secret)
    with pytest.raises(InputError, match=rf"its id is '{unique}', not 'virtual-other'; nothing was sent"):
        provision(virtual.port, secret, board_id="virtual-other")
    code, _, err = offbeat("keys", "provision", "small", "--port", virtual.port)
    assert code == 2 and "--board-id" in err
    code, out, _ = offbeat("keys", "provision", "small", "--port", virtual.port, "--board-id", unique, "--json")
    assert code == 0 and json.loads(out)["board"] == unique
    confirmed(push(new, virtual.port, key=secret, plan=SHORT))
    with pytest.raises(InputError, match="trusts another key"):
        provision(virtual.port, create_key("line3"))


@needs_micropython
def test_a_key_hands_over(virtual: VirtualBoard, key: Key) -> None:
    provision(virtual.port, key)
    provision(virtual.port, key)
    other = create_key("other")
    with pytest.raises(InputError, match="trusts another key"):
        provision(virtual.port, other)
    with pytest.raises(InputError, match="trusts another key"):
        provision(virtual.port, other, before=create_key("third"))
    provision(virtual.port, other, "pumps", before=key)
    with pytest.raises(InputError, match="trusts another key"):
        provision(virtual.port, key, before=key)


# --- what does not go together ---


@needs_micropython
def test_a_model_that_does_not_suit_the_board_is_refused_before_it_is_sent(
    virtual: VirtualBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_transfer(*_: object) -> None:
        raise AssertionError("sent")

    monkeypatch.setattr(push_module._Push, "_transfer", no_transfer)
    data = whole_model("gaussian")
    for number, (change, says) in enumerate(
        {
            b"sensor=noise": (b"sensor=other", "wants sensor 'other', the board has 'noise'"),
            b"scales=0.001": (b"scales=0.005", "wants scales 0.005"),
        }.values()
    ):
        before = (b"sensor=noise", b"scales=0.001")[number]
        assert before in data
        with pytest.raises(InputError, match=says):
            push(written(tmp_path / f"m{number}", resealed(data.replace(before, change))), virtual.port)
    slow = bytearray(data)
    slow[16:20] = (100_000).to_bytes(4, "little")
    with pytest.raises(InputError, match="wants 100 Hz, the board has 400 Hz"):
        push(written(tmp_path / "slow", resealed(bytes(slow))), virtual.port)
    (virtual.flash / "offbeat" / "families" / "kmeans.py").unlink()
    virtual.reset()
    with pytest.raises(InputError, match="has not got the code of family kmeans"):
        push(written(tmp_path / "kmeans", whole_model("kmeans")), virtual.port)


def resealed(data: bytes) -> bytes:
    """A model file with a trailer that fits what was changed in it."""
    import hashlib
    import zlib

    body = data[:-36]
    whole = body + hashlib.sha256(body).digest()
    return whole + zlib.crc32(whole).to_bytes(4, "little")


def test_words_that_are_no_time(new: Path, old: Path) -> None:
    from offbeat.host.update.compatibility import windows_for

    model = parse(whole_model("gaussian"))  # 400 Hz, hop 32
    given = {"7": 7, "90s": 1125, "10min": 7500, "2h": 90000, "1d": 1080000, "0.5s": 6}
    assert {text: windows_for(text, model, "--test") for text in given} == given
    for text in ("", "0", "-1", "1.5", "10 min", "1e3", "3w", "9" * 10, "999999999d", "nan", "0s"):
        with pytest.raises(InputError, match="--test"):
            windows_for(text, model, "--test")


def test_bad_words_end_in_one_sentence(new: Path, tmp_path: Path) -> None:
    for words, says in (
        (("push", new, "--port", tmp_path / "none"), "no such port"),
        (("push", tmp_path / "nothing", "--port", "x"), "no such model file"),
        (("push", "--port", "x"), "name a model directory"),
        (("push", new, "--port", "x", "--downgrade"), "--key"),
        (("push", new, "--port", "x", "--version", "9"), "--key"),
        (("push", new, "--port", "x", "--key", "nobody"), "offbeat keys new"),
        (("keys", "show", "nobody"), "offbeat keys new"),
        (("keys", "sign", new, "--key", "nobody"), "offbeat keys new"),
        (("keys", "new", "a b"), "is no name"),
    ):
        code, _, err = offbeat(*words)
        assert code == 2 and says in " ".join(err.split()) and "Traceback" not in err, (words, err)


# --- delta ---


@needs_micropython
def test_only_what_changed_is_sent(virtual: VirtualBoard, new: Path, tmp_path: Path) -> None:
    confirmed(push(new, virtual.port, plan=SHORT))
    data = whole_model("gaussian")
    renamed = resealed(data.replace(b"name=whole gaussian", b"name=other gaussian"))
    assert renamed != data
    report = push(written(tmp_path / "renamed", renamed), virtual.port, plan=SHORT)
    assert report.outcome == "confirmed" and report.sent < report.size / 4
    whole = written(tmp_path / "again", resealed(renamed.replace(b"name=other gaussian", b"name=third gaussian")))
    everything = push(whole, virtual.port, plan=PushPlan("20", "20", delta=False))
    assert everything.sent == everything.size and report.wire < everything.wire / 2


@needs_micropython
def test_a_block_that_only_seems_the_same_is_sent_after_all(
    virtual: VirtualBoard, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*_: Any) -> list[Any]:
        from offbeat.host.update.delta import Part, Wire, whole

        data = whole_model("gaussian")
        return [Part(0, data[:100], 5), *whole(data, Wire(144), 100)]

    monkeypatch.setattr(push_module, "delta", wrong)
    monkeypatch.setattr(
        "offbeat.host.update.delta.Wire.cost", lambda self, parts: 1000 - sum(p.origin >= 0 for p in parts)
    )
    monkeypatch.setattr(push_module, "block_digests", lambda board: [])
    report = confirmed(push(new, virtual.port, plan=SHORT))
    assert report.beginnings == 2 and report.sent > report.size


# --- boards that lie ---

Answers = Callable[[str, dict[str, str]], dict[str, object] | str]
ABOUT: dict[str, object] = {
    "format": 2, "features": 9, "family": 1, "room": 99999, "algorithm": 0, "version": 0, "end": "none", "tried": "00",
}  # fmt: skip
IDLE: dict[str, object] = {"state": "idle", "done": 0, "model": "none", "version": 0}


def lying(answers: Answers) -> ScriptedDevice:
    """A board whose answers to UPDATE lines are what a function makes of do= and the fields; text is a refusal."""

    def answer(raw: bytes) -> bytes:
        kind, re, fields = link.parse(raw)
        if kind == "HELLO":
            about = {"v": 1, "id": "one", "rate": "400.000", "channels": 2, "line": 250, "re": re, "sensor": "noise"}
            return channel(0, "0.001") + channel(1, "0.002") + device.line("HELLO", *about.items())
        found = answers(fields.get("do", ""), fields)
        if isinstance(found, str):
            return device.line("NAK", ("re", re), ("why", found))
        return device.line("ACK", ("re", re), *found.items())

    def channel(number: int, scale: str) -> bytes:
        return device.line("CHANNEL", ("i", number), ("name", "xy"[number]), ("unit", "g"), ("scale", scale))

    device = ScriptedDevice(answer)
    return device


def about_then(answer: dict[str, object] | str, **about: object) -> Answers:
    return lambda do, fields: {**ABOUT, **about} if do == "about" else answer


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        (lambda do, fields: "unknown", "older than `offbeat push`"),
        (lambda do, fields: "updates", "takes no models"),
        (lambda do, fields: "%1B[31m", r"says '\\\\x1b\[31m'"),
        (lambda do, fields: {}, "no whole number"),
        (about_then(IDLE, **{"class": "zz"}), "is damaged"),
        (about_then(IDLE, format=3), "format 3, this is format 2"),
        (about_then(IDLE, features=0), "feature that the board does not know"),
        (about_then(IDLE, room=100), "room for 100"),
        (about_then(IDLE, algorithm=9), "signed models only"),
        (about_then({**IDLE, "state": "receiving", "at": 0}), "interrupted"),
        (about_then({**IDLE, "state": "receiving", "at": 10**9}), "interrupted"),
        (about_then({**IDLE, "state": "test", "done": "9" * 180}), "no whole number done="),
        (about_then({**IDLE, "why": "golden"}), "golden windows otherwise"),
        (lambda do, fields: "class" if do == "begin" else about_then(IDLE)(do, fields), "another device class"),
    ],
)
def test_a_board_that_lies_ends_in_one_sentence(
    answers: Answers, says: str, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push_module, "_MOST_TRIES", 3)
    with lying(answers) as device, pytest.raises(InputError, match=says):
        push(new, device.port, plan=SHORT)


@pytest.mark.parametrize("algorithm", [layout.ED25519, layout.HMAC])
@pytest.mark.parametrize("downgrade", [True, False])
@pytest.mark.parametrize("lie", ["class", "version"])
def test_what_a_board_says_is_never_signed(
    lie: str, downgrade: bool, algorithm: int, new: Path, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway would like a signature for another class, or one so high that nothing comes after it."""
    signer = key if algorithm == layout.ED25519 else create_key("small", layout.HMAC)
    public = b64encode(signer.public).decode() if algorithm == layout.ED25519 else ""
    claims: dict[str, object] = {"algorithm": algorithm, "key": public, "class": b"pumps".hex(), "version": 7}
    claims |= {"class": b"valves".hex()} if lie == "class" else {"version": 2**32 - 2}
    signed: list[object] = []
    monkeypatch.setattr(Key, "sign", lambda self, message, unique="": signed.append(message))
    says = "of device class 'valves'.*'pumps'" if lie == "class" else "version 4294967294, which is later than"
    with lying(about_then(IDLE, **claims)) as device, pytest.raises(InputError, match=says):
        push(new, device.port, key=signer, plan=PushPlan(downgrade=downgrade, device_class="pumps"))
    assert not signed and not (new / "model.sig").exists()


def test_a_board_that_says_another_ones_id_gets_no_secret() -> None:
    asked: list[str] = []

    def answers(do: str, fields: dict[str, str]) -> dict[str, object]:
        asked.append(do)
        return IDLE

    for algorithm in (layout.HMAC, layout.ED25519):
        key = create_key(f"key{algorithm}", algorithm)
        with lying(answers) as device, pytest.raises(InputError, match="its id is 'one', not 'two'"):
            provision(device.port, key, board_id="two")
    assert asked == []


def test_a_version_that_is_named_is_signed(new: Path, key: Key) -> None:
    begun: list[str] = []
    public = b64encode(key.public).decode()

    def answers(do: str, fields: dict[str, str]) -> dict[str, object] | str:
        if do == "begin":
            begun.append(fields["d"])
            return "version"
        return about_then(IDLE, algorithm=1, key=public, version=2**32 - 3)(do, fields)

    with lying(answers) as device, pytest.raises(BoardError, match="newer version"):
        push(new, device.port, key=key, plan=PushPlan(version=2**32 - 2))
    manifest = layout.Manifest(b64decode(link.unquote(begun[0])))
    assert (manifest.version, manifest.device_class, manifest.algorithm) == (2**32 - 2, "", layout.ED25519)


def test_a_board_that_says_it_reverted(new: Path) -> None:
    states = iter(["idle", "test", "test", "test", "idle"])

    def answers(do: str, fields: dict[str, str]) -> dict[str, object]:
        if do == "about":
            return {**ABOUT, "end": "timing"}
        return {**IDLE, "state": next(states, "idle")} if do in ("", "begin") else IDLE

    with lying(answers) as device:
        report = push(new, device.port, plan=SHORT)
    assert (report.outcome, report.why) == ("reverted", "a window took longer than the next one leaves time for")


def test_a_port_that_stays_away(old: Path, new: Path) -> None:
    with VirtualBoard(source=source(), model=old, speed=20.0) as virtual:

        def pull(stage: str, share: float) -> None:
            virtual.unplug()

        with pytest.raises(Unplugged, match="not back within"):
            push(new, virtual.port, plan=SHORT, progress=pull, give_up_after=0.3)
