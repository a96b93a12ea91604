"""Deployment onto the real MicroPython, through its prompt: what goes there, what comes off, what survives a cut."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from mpremote.transport_serial import SerialTransport

from offbeat.device.modelfile import parse
from offbeat.host import deploy as package
from offbeat.host.board import Board
from offbeat.host.deploy import deploy, undeploy
from offbeat.host.deploy.prompt import Prompt
from offbeat.host.errors import BoardError, Unplugged
from offbeat.host.monitor import Monitor, Score
from offbeat.host.sensors import SensorChoice
from offbeat.host.update.push import PushPlan, push, revert
from offbeat.host.validate import validate
from offbeat.host.virtual import VirtualBoard
from offbeat.train.errors import InputError
from tests.host.helpers import whole_model
from tests.host.small import needs_micropython, small_model, source

pytestmark = needs_micropython
BLOCK = 4096


@pytest.fixture(autouse=True)
def _own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return write(tmp_path / "old.beat", small_model())


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return write(tmp_path / "new.beat", whole_model("gaussian"))


@pytest.fixture
def virtual(old: Path) -> Iterator[VirtualBoard]:
    """A board that runs the old model, from files that deploy did not put there."""
    with VirtualBoard(source=source(), model=old, speed=10.0) as board:
        Board.open(board.port).close()  # it runs: Ctrl-C while it starts is another matter
        yield board


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def model_on(virtual: VirtualBoard) -> str:
    with Board.open(virtual.port, timeout=10.0) as board:
        assert board.hello.mode == "score"
        return board.hello.model


def files(virtual: VirtualBoard) -> dict[str, bytes]:
    """What is on the board's flash, but for what a running board writes."""
    found = {}
    for path in virtual.flash.rglob("*"):
        name = str(path.relative_to(virtual.flash))
        if path.is_file() and not name.startswith(("journal/", ".micropython")):
            found[name] = path.read_bytes()
    return found


@contextlib.contextmanager
def littlefs(blocks: int) -> Iterator[VirtualBoard]:
    """A board with nothing but MicroPython, and a flash of so many blocks that is littlefs."""
    with VirtualBoard(source=source(), speed=10.0) as virtual:
        shutil.rmtree(virtual.flash / "offbeat")
        (virtual.flash / "flash.img").write_bytes(b"\xff" * (blocks * BLOCK))
        shutil.copyfile(Path(__file__).with_name("littlefs_board.py"), virtual.flash / "main.py")
        virtual.reset()
        yield virtual


def test_a_deployed_board_runs_and_computes_what_the_trainer_did(virtual: VirtualBoard, new: Path) -> None:
    before = files(virtual)
    stages: dict[str, list[float]] = {}
    plan = deploy(new, virtual.port, progress=lambda stage, share: stages.setdefault(stage, []).append(share))
    assert plan.board == "virtual" and plan.model == model_on(virtual)
    assert plan.trial is not None and (plan.trial.passed, plan.trial.of, plan.trial.viper) == (3, 3, True)
    assert list(stages) == ["copy", "read back", "try it on the board", "start"]
    assert stages["copy"] == sorted(stages["copy"]) and stages["copy"][-1] == 1.0
    report = validate(new, virtual.port, windows=20)
    assert report.ok and report.self_test == (3, 3)
    assert any(isinstance(event, Score) for event in Monitor(virtual.port, seconds=2.0))
    after = files(virtual)
    # nothing that was there is touched but main.py, which is kept
    assert {name: after[name] for name in before if name != "main.py"} == {
        name: data for name, data in before.items() if name != "main.py"
    }
    assert after["main.before-offbeat.py"] == before["main.py"]
    assert after["offbeat_a/model.beat"] == new.read_bytes()


def test_what_goes_onto_the_board_is_compiled_and_is_no_more_than_the_model_needs(
    virtual: VirtualBoard, new: Path
) -> None:
    plan = deploy(new, virtual.port, dry_run=True)
    code = {path for path in plan.content if path.startswith("offbeat/")}
    assert all(path.endswith(".mpy") for path in code)
    assert {"offbeat/families/gaussian.mpy", "offbeat/sensors/stream.mpy", "offbeat/kernels_viper.mpy"} <= code
    assert not {"offbeat/families/pca.mpy", "offbeat/sensors/lis3dh.mpy", "offbeat/kernels_bytecode.mpy"} & code


def test_source_does_as_well_where_there_is_no_compiler(
    virtual: VirtualBoard, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("offbeat.host.deploy.contents.is_installed", lambda: False)
    plan = deploy(new, virtual.port)
    assert plan.compiled == 0 and "offbeat/app.py" in plan.content
    assert validate(new, virtual.port, windows=5).ok


def test_machine_code_of_another_version_goes_as_source(
    virtual: VirtualBoard, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = package.identify

    def older(prompt: Prompt) -> object:
        found = real(prompt)
        return type(found)(**{**found.__dict__, "mpy": found.mpy & ~0x300 | 0x100})  # sub-version 1: MicroPython 1.20

    monkeypatch.setattr(package, "identify", older)
    plan = deploy(new, virtual.port)
    assert "offbeat/kernels_viper.py" in plan.content and "offbeat/app.mpy" in plan.content
    assert validate(new, virtual.port, windows=5).ok


def test_a_dry_run_changes_nothing_and_the_board_runs_on(virtual: VirtualBoard, old: Path, new: Path) -> None:
    before, model = files(virtual), model_on(virtual)
    plan = deploy(new, virtual.port, dry_run=True)
    assert len(plan.send) == len(plan.content) and plan.needed > sum(map(len, plan.content.values()))
    assert files(virtual) == before
    assert model_on(virtual) == model


def test_deployments_take_turns_and_send_only_what_the_board_lacks(virtual: VirtualBoard, old: Path, new: Path) -> None:
    first = deploy(new, virtual.port)
    second = deploy(old, virtual.port)
    assert (first.slot.name, second.slot.name) == ("offbeat_a", "offbeat_b")
    assert set(second.send) == {"main.py", "model.beat"} and len(second.copy) > 20
    assert model_on(virtual) == second.model
    third = deploy(new, virtual.port)
    assert third.slot.name == "offbeat_a" and set(third.send) == {"main.py"}
    assert model_on(virtual) == third.model


def test_undeploy_leaves_what_was_there_before(virtual: VirtualBoard, old: Path, new: Path) -> None:
    before, model = files(virtual), model_on(virtual)
    deploy(new, virtual.port)
    deploy(old, virtual.port)
    foretold = undeploy(virtual.port, dry_run=True)
    removal = undeploy(virtual.port)
    assert sorted(foretold.removed) == sorted(removal.removed)
    assert removal.restored and removal.left == ()
    assert files(virtual) == before
    assert not list(virtual.flash.glob("offbeat_*"))
    assert model_on(virtual) == model
    assert undeploy(virtual.port).removed == ()


def test_undeploy_leaves_what_is_not_deploys(virtual: VirtualBoard, new: Path) -> None:
    deploy(new, virtual.port)
    (virtual.flash / "offbeat_a" / "notes.txt").write_text("mine")
    (virtual.flash / "offbeat_a" / "offbeat" / "own").mkdir()
    settings = virtual.flash / "offbeat_a" / "settings.json"
    settings.write_text(settings.read_text() + "\n")
    removal = undeploy(virtual.port)
    assert removal.left == ("offbeat_a/notes.txt", "offbeat_a/settings.json")
    assert {path for path in files(virtual) if path.startswith("offbeat_a")} == set(removal.left)
    assert (virtual.flash / "offbeat_a" / "offbeat" / "own").is_dir()


def test_undeploy_leaves_a_main_that_was_changed(virtual: VirtualBoard, new: Path) -> None:
    deploy(new, virtual.port)
    main = virtual.flash / "main.py"
    main.write_text(main.read_text() + "\n# mine\n")
    removal = undeploy(virtual.port)
    assert "main.py" not in removal.removed and not removal.restored
    assert main.read_text().endswith("# mine\n")


def cut(virtual: VirtualBoard, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """Pull the cable at the first command to the prompt that has these words."""
    real = Prompt.run

    def run(prompt: Prompt, code: str, patience: float = 10.0) -> str:
        if moment in code:
            monkeypatch.setattr(Prompt, "run", real)
            virtual.unplug()
        return real(prompt, code, patience)

    monkeypatch.setattr(Prompt, "run", run)


@pytest.mark.parametrize("moment", ["manifest.new", "offbeat_a/offbeat/journal.mpy", "os.rename('offbeat_a/main.py'"])
def test_a_cut_leaves_the_old_state(
    virtual: VirtualBoard, new: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    before, model = files(virtual), model_on(virtual)
    cut(virtual, monkeypatch, moment)
    with pytest.raises(Unplugged, match="vanished"):
        deploy(new, virtual.port)
    virtual.plug()
    assert model_on(virtual) == model
    after = files(virtual)
    assert {name: after[name] for name in before} == before


def test_undeploy_cleans_up_after_a_cut(virtual: VirtualBoard, new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files(virtual)
    cut(virtual, monkeypatch, "offbeat_a/offbeat/journal.mpy")
    with pytest.raises(Unplugged):
        deploy(new, virtual.port)
    virtual.plug()
    assert len(files(virtual)) > len(before)
    undeploy(virtual.port)
    assert files(virtual) == before
    assert not list(virtual.flash.glob("offbeat_*"))


def test_a_byte_that_flips_on_the_flash_is_noticed_and_sent_again(virtual: VirtualBoard, new: Path) -> None:
    flipped = []

    def flip(stage: str, share: float) -> None:
        path = virtual.flash / "offbeat_a" / "offbeat" / "app.mpy"
        if stage == "read back" and not flipped:
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 4
            flipped.append(path.write_bytes(data))

    deploy(new, virtual.port, progress=flip)
    assert flipped and validate(new, virtual.port, windows=5).ok


def test_a_line_that_corrupts_is_noticed_and_the_old_state_runs_on(
    virtual: VirtualBoard, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, model = files(virtual), model_on(virtual)
    real, sent = SerialTransport.exec_raw, base64.b64encode(new.read_bytes()[:30]).decode()

    def corrupting(transport: SerialTransport, command: str, *words: object, **options: object) -> object:
        command = command.replace(sent, sent[:-1] + ("A" if sent[-1] != "A" else "B"))
        return real(transport, command, *words, **options)

    monkeypatch.setattr(SerialTransport, "exec_raw", corrupting)
    with pytest.raises(BoardError, match=r"model.beat reads back.*other than it was sent.*untouched"):
        deploy(new, virtual.port)
    assert files(virtual) == before
    assert model_on(virtual) == model


def test_a_board_that_does_not_come_up_gets_its_old_state_back(
    virtual: VirtualBoard, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, model = files(virtual), model_on(virtual)
    broken = b"raise SystemExit\n"
    monkeypatch.setattr(package, "main_of", lambda slot: broken)
    monkeypatch.setattr("offbeat.host.deploy.installation._GREETING_SECONDS", 1.0)
    with pytest.raises(BoardError, match="what ran before is back"):
        deploy(new, virtual.port)
    assert set(files(virtual)) - set(before) <= {"main.before-offbeat.py"}
    assert (virtual.flash / "main.py").read_bytes() == before["main.py"]
    assert model_on(virtual) == model


def test_a_model_for_another_sensor_is_refused_before_it_replaces_anything(
    virtual: VirtualBoard, tmp_path: Path
) -> None:
    before, model = files(virtual), model_on(virtual)
    damaged = write(tmp_path / "damaged.beat", whole_model("gaussian").replace(b"noise", b"other"))
    with pytest.raises(InputError, match=r"damaged\.beat"):
        deploy(damaged, virtual.port)
    with pytest.raises(BoardError, match=r"does not fit the sensor: .* channels.*untouched"):
        deploy(Path("models/fan"), virtual.port)
    assert files(virtual) == before
    assert model_on(virtual) == model


def test_a_board_without_a_model_records(virtual: VirtualBoard) -> None:
    plan = deploy(None, virtual.port, sensor=SensorChoice("simulator", {"rate": 200.0}))
    assert plan.model == "none" and "model.beat" not in plan.content
    with Board.open(virtual.port) as board:
        assert (board.hello.mode, board.hello.rate, board.hello.channels) == ("idle", 200.0, ("x", "y", "z"))
        board.command("RECORD", seconds=1)
        assert sum(line.kind == "RAW" for line in board.lines(timeout=1.0)) > 5


def test_keywords_of_the_main_loop_reach_it(virtual: VirtualBoard, new: Path) -> None:
    shutil.rmtree(virtual.flash / "journal", ignore_errors=True)
    deploy(new, virtual.port, run={"journal": "logbook"})
    with Board.open(virtual.port) as board:
        assert "boot" in board.command("HEALTH").fields
    assert (virtual.flash / "logbook").is_dir()
    deploy(new, virtual.port, run={"journal": None})
    with Board.open(virtual.port) as board:
        assert "boot" not in board.command("HEALTH").fields


def test_littlefs_from_nothing_to_a_board_that_scores(old: Path, new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with littlefs(224) as virtual:
        first = deploy(old, virtual.port)
        assert first.identity.block == BLOCK and not first.backup
        assert model_on(virtual) == first.model
        # Power goes in the middle of what follows: littlefs and the old slot stand it.
        cut(virtual, monkeypatch, "offbeat_b/model.beat")
        with pytest.raises(Unplugged):
            deploy(new, virtual.port)
        virtual.plug()
        assert model_on(virtual) == first.model
        second = deploy(new, virtual.port)
        assert second.keep and model_on(virtual) == second.model
        undeploy(virtual.port)
        with Prompt.open(virtual.port) as prompt:
            assert prompt.value("say(sorted(os.listdir()))") == ["about.json", "journal"]


def test_no_room_says_how_much_is_missing(old: Path) -> None:
    with littlefs(24) as virtual, pytest.raises(BoardError, match=r"needed .*free, .* KB are missing; remove files"):
        deploy(old, virtual.port)


def test_no_room_for_a_second_one_names_undeploy(old: Path, new: Path) -> None:
    with littlefs(104) as virtual:
        first = deploy(old, virtual.port)
        with pytest.raises(BoardError, match=r"missing; `offbeat undeploy` makes room"):
            deploy(new, virtual.port)
        assert model_on(virtual) == first.model


def test_a_flash_that_becomes_full_leaves_the_old_state(old: Path, new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with littlefs(104) as virtual:
        first = deploy(old, virtual.port)
        monkeypatch.setattr("offbeat.host.deploy.plan.Plan.check_room", lambda plan: None)
        with pytest.raises(BoardError, match="became full"):
            deploy(new, virtual.port)
        assert model_on(virtual) == first.model
        with Prompt.open(virtual.port) as prompt:
            assert "offbeat_b" not in prompt.value("say(os.listdir())")


def test_a_port_without_a_board_and_a_board_without_a_prompt(
    new: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="there is no such port"):
        deploy(new, str(tmp_path / "nothing"))
    monkeypatch.setattr("offbeat.host.deploy.prompt._PATIENCE", 0.3)
    ours, other = os.openpty()
    try:
        with pytest.raises(BoardError, match="brings no prompt of MicroPython"):
            deploy(new, os.ttyname(other))
    finally:
        os.close(ours)
        os.close(other)


@pytest.mark.parametrize(
    ("about", "says"),
    [
        ("'version': [1, 19, 1]", "MicroPython 1.19.1 is on the board; offbeat needs 1.20"),
        ("'implementation': 'circuitpython'", "circuitpython is on the board"),
        ("'heap': 1000", "the model takes .* of heap"),
        ("'version': 'x'", "does not say who it is"),
    ],
)
def test_what_the_board_is_not(
    virtual: VirtualBoard, new: Path, monkeypatch: pytest.MonkeyPatch, about: str, says: str
) -> None:
    real = Prompt.value
    changed = f"_say = say\ndef say(value):\n    value.update({{{about}}})\n    _say(value)\nabout()"

    def value(prompt: Prompt, code: str, patience: float = 10.0) -> object:
        return real(prompt, changed if code == "about()" else code, patience)

    monkeypatch.setattr(Prompt, "value", value)
    with pytest.raises(BoardError, match=says):
        deploy(new, virtual.port)


@pytest.mark.parametrize("depth", [200, 900, 950, 990, 100_000])
def test_an_answer_that_is_nested_without_end(depth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    prompt = Prompt("port", None)  # type: ignore[arg-type]
    for answer in ("[" * depth, "[" * depth + "]" * depth, '{"":' * depth + "0" + "}" * depth):
        monkeypatch.setattr(prompt, "run", lambda code, patience, answer=answer: answer)
        with pytest.raises(BoardError, match=r"where (an answer|text) should be"):
            prompt.text("say(x)")


def test_a_manifest_that_is_nested_without_end_is_none(virtual: VirtualBoard, new: Path) -> None:
    deploy(new, virtual.port)
    (virtual.flash / "offbeat_a" / "manifest.json").write_text("[" * 20_000)
    assert undeploy(virtual.port).removed == ("offbeat_a/manifest.json",)


@pytest.mark.parametrize(("limit", "value"), [("_LARGEST", 20_000), ("_LONGEST", 0.2)])
def test_a_board_that_does_not_stop_talking(
    virtual: VirtualBoard, monkeypatch: pytest.MonkeyPatch, limit: str, value: float
) -> None:
    prompt = Prompt.open(virtual.port)
    try:
        monkeypatch.setattr(f"offbeat.host.deploy.prompt.{limit}", value)
        with pytest.raises(BoardError, match="does not stop talking"):
            prompt.run("import time\nwhile True: print('x' * 200); time.sleep_ms(5)", patience=0.2)
    finally:
        prompt.close()


def test_names_from_the_board_stay_inside_its_slot(virtual: VirtualBoard, new: Path) -> None:
    deploy(new, virtual.port)
    slot = virtual.flash / "offbeat_a"
    (slot / "manifest.json").write_text('{"files": {"../about.json": "x", "/about.json": "y", "main.py": "z"}}')
    removal = undeploy(virtual.port)
    assert removal.removed == ("offbeat_a/manifest.json",)
    assert (virtual.flash / "about.json").exists()


@pytest.mark.parametrize("where", ["follow", "raw_paste_write"])
def test_control_c_in_the_middle_of_a_command_leaves_the_old_state(
    virtual: VirtualBoard, new: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    before, model = files(virtual), model_on(virtual)
    real, count = getattr(SerialTransport, where), []

    def interrupted(transport: SerialTransport, *words: object) -> object:
        count.append(1)
        if len(count) == 20:
            if where == "raw_paste_write":  # half a command is on its way
                transport.serial.write(b"f = open('x")
            raise KeyboardInterrupt
        return real(transport, *words)

    monkeypatch.setattr(SerialTransport, where, interrupted)
    with pytest.raises(KeyboardInterrupt):
        deploy(new, virtual.port)
    assert model_on(virtual) == model
    after = files(virtual)
    assert {name: after[name] for name in before} == before
    undeploy(virtual.port)
    assert files(virtual) == before


def test_a_pushed_model_runs_on_when_the_same_one_is_deployed_again(
    virtual: VirtualBoard, old: Path, new: Path, tmp_path: Path
) -> None:
    """For new pins, say, or a newer package: the push is what the board's owner wanted last."""
    factory = deploy(old, virtual.port)
    assert factory.runs == factory.model
    quick = PushPlan("5", "5")
    pushed = push(new, virtual.port, plan=quick)
    assert pushed.outcome == "confirmed"
    again = deploy(old, virtual.port, run={"journal": "logbook"})
    assert (again.model, again.runs, model_on(virtual)) == (factory.model, pushed.model, pushed.model)
    assert (virtual.flash / "logbook").is_dir(), "the new state is in force"
    bare = deploy(None, virtual.port)
    assert (bare.model, bare.runs) == ("none", pushed.model)
    again = deploy(old, virtual.port)
    # one that came to nothing, after it
    third = write(tmp_path / "third.beat", whole_model("gaussian", ("rms",)))
    assert push(third, virtual.port, plan=PushPlan("100000", detach=True)).outcome == "detached"
    assert revert(virtual.port) == pushed.model
    again = deploy(old, virtual.port)
    assert (again.model, again.runs) == (factory.model, pushed.model)
    other = deploy(third, virtual.port)
    assert other.runs == other.model == model_on(virtual)


def test_a_model_that_was_never_pushed_is_not_taken_for_one(
    virtual: VirtualBoard, old: Path, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(old, virtual.port)
    before = files(virtual)
    monkeypatch.setattr(package, "main_of", lambda slot: before["main.py"])  # starts the slot that ran before
    with pytest.raises(BoardError, match=r"the board runs model .*, not .*what ran before is back"):
        deploy(new, virtual.port)
    assert model_on(virtual) == parse(small_model()).identity


def test_a_model_that_does_not_fit_the_heap_is_refused(old: Path, tmp_path: Path) -> None:
    large = write(tmp_path / "large.beat", whole_model("gaussian", golden=1))
    with VirtualBoard(source=source(), model=old, speed=10.0, heap="76K") as virtual:
        before = files(virtual)
        with pytest.raises(BoardError, match=r"(does not fit the board's heap|its heap is too small).*untouched"):
            deploy(large, virtual.port)
        assert files(virtual) == before
