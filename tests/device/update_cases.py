"""Runs under MicroPython: an App that takes models, on littlefs in RAM, driven by lines of the protocol.

micropython update_cases.py DIRECTORY NAME runs one case; it prints what was measured as JSON, or ends with a traceback.
DIRECTORY: what test_update.py has put there, models and their manifests.
"""

import gc
import json
import os
import sys
from binascii import b2a_base64

from flash import BLOCK, Flash

from offbeat import app as app_module
from offbeat import commands, learn_session, link, modelfile, outputs, trying, updating
from offbeat.app import App
from offbeat.journal import open_journal
from offbeat.ledger import ENDS, PROBATION, TEST
from offbeat.loading import load, open_models
from offbeat.manifest import DOWNGRADE, ED25519, HMAC, UNSIGNED, Manifest, seal, signed, unsigned
from offbeat.outputs import AlarmPin
from offbeat.records import ALARM, ALARM_END
from offbeat.records import whole as length_of_record
from offbeat.sensors import LOST
from offbeat.sha2 import hmac256, new256

DIRECTORY = sys.argv[1]


class Clock:
    """Takes the place of the module `time`; stands still until it is moved."""

    def __init__(self):
        self.now = 0

    def ticks_ms(self):
        return self.now & 0x3FFFFFFF

    def ticks_us(self):
        return 1000 * self.now & 0x3FFFFFFF

    def ticks_add(self, ticks, difference):
        return (ticks + difference) & 0x3FFFFFFF

    def ticks_diff(self, ticks, before):
        return ((ticks - before + 0x20000000) & 0x3FFFFFFF) - 0x20000000


class Noise:
    """A sensor: noise of a size that can be changed."""

    channels = ("x", "y")
    units = ("g", "g")
    scales = ("0.001", "0.002")
    sensor = "noise"
    rate_millihertz = 400000
    limits = ((-32768, 32767), (-32768, 32767))
    flags = lost = overruns = errors = restarts = jitter_us = 0

    def __init__(self):
        self.available = 0
        self.size = 9
        self._flags = 0
        self._state = 1

    def loses(self, count):
        """Lose samples before the next frame, or notice that some went; count: where the driver counts that."""
        setattr(self, count, getattr(self, count) + 3)
        self._flags = LOST

    def read_into(self, frame):
        if not self.available:
            return False
        self.available -= 1
        self.flags |= self._flags
        self._flags = 0
        for i in range(2):
            self._state = (self._state * 8121 + 28411) % 134456
            frame[i] = ((self._state >> 4) % 3000 - 1500) * self.size // 9
        return True


def content(name):
    with open(DIRECTORY + "/" + name, "rb") as file:
        return file.read()


class Rig:
    """A board: flash, sensor, clock, and the App that was started last."""

    def __init__(self, blocks=40, factory="old.beat"):
        self.flash = Flash(blocks)
        self.flash.format()
        self.flash.mount("/f")
        if factory:
            with open("/f/model.beat", "wb") as file:
                file.write(content(factory))
        self.source = Noise()
        self.clock = app_module.time = commands.time = trying.time = updating.time = Clock()
        self.said = b""
        self.start()

    def start(self):
        """As after a reset."""
        model, why = load("/f/model.beat")
        slots, model, why = open_models("/f/models", model, why)
        self.app = App(self.source, model, self._write, "test", "0001", why, path="/f/model.beat")
        self.app.slots = slots
        self.app.start()
        return model.identity if model else "none"

    def _write(self, buffer, length):
        self.said += bytes(buffer[:length])

    def take(self):
        """(kind, fields) of the lines that were said."""
        said, self.said = self.said, b""
        return [(kind, fields) for kind, _, fields in [link.parse(line) for line in said.split(b"\r\n")[:-1]]]

    def ask(self, what="", **fields):
        """The answer to an UPDATE line: its fields, with why= of a NAK."""
        pairs = [("do", what)] if what else []
        for key, value in fields.items():
            pairs.append(
                (key.strip("_"), b2a_base64(value).decode().strip() if isinstance(value, bytes) else link.quote(value))
            )
        self.take()
        for byte in link.encode("UPDATE", 5, pairs):
            self.app.listener.feed(byte)
        answers = [(kind, answer) for kind, answer in self.take() if answer.get("re") == "5"]
        assert len(answers) == 1, answers
        kind, answer = answers[0]
        assert kind == "ACK" or answer["why"], answers
        answer["kind"] = kind
        return answer

    def refused(self, *words, **fields):
        answer = self.ask(*words, **fields)
        assert answer["kind"] == "NAK", answer
        return answer["why"]

    def done(self, *words, **fields):
        answer = self.ask(*words, **fields)
        assert answer["kind"] == "ACK", answer
        return answer

    def turn(self, frames=0):
        self.source.available += frames
        while True:
            self.app.step()
            if not self.source.available:
                return

    def send(self, data, manifest, start=0):
        """All of a model up to its check."""
        at = int(self.done("begin", d=manifest)["at"])
        while at < len(data):
            at = int(self.done("data", o=at, d=data[at : at + 120])["at"])

    def check(self, auto=0, test=20, probation=20, alarms=0):
        """Commit, and let it be checked; the word of its refusal, or the state."""
        self.done("commit", test=test, probation=probation, alarms=alarms, auto=auto)
        while self.ask()["state"] == "checking":
            self.clock.now += 1
            self.app.step()
        answer = self.ask()
        return answer.get("why", "") or answer["state"]

    def offer(self, name="new", **plan):
        """Send a model with its manifest, and check it."""
        data, ledger = content(name + ".beat"), self.app.slots.ledger
        self.send(data, content(name + ".sig") if ledger.algorithm else plain(data, ledger.version + 1))
        return self.check(**plan)

    def provision(self, name="key.pub", algorithm=ED25519, device_class="pumps"):
        return self.ask("trust", algorithm=algorithm, key=content(name), class_=device_class)


def plain(data, version=1, flags=0, device_class="", algorithm=UNSIGNED, signature=b""):
    """A manifest without signature, or with one of these bytes."""
    digest = new256()
    digest.update(data)
    return seal(unsigned(algorithm, flags, version, len(data), device_class, digest.digest()), signature)


OLD, NEW, LARGE = content("old.beat"), content("new.beat"), content("large.beat")
NAMES = json.loads(content("names.json"))


def a_model_comes_into_service():
    rig = Rig()
    rig.send(NEW, plain(NEW))
    rig.take()
    assert rig.check() == "test"
    assert rig.app.model.identity == NAMES["old"] and rig.app.slots.ledger.phase == TEST
    rig.turn(600)
    said = rig.take()
    kinds = [kind for kind, _ in said]
    shadow = [fields for kind, fields in said if kind == "SHADOW"]
    assert kinds.count("SCORE") == 36 and len(shadow) >= 15, kinds
    assert [int(fields["n"]) for fields in shadow] == list(range(len(shadow)))
    assert rig.done()["state"] == "tested"
    assert rig.refused("confirm") == "early"
    assert rig.done("probation")["state"] == "probation"
    assert rig.app.model.identity == NAMES["new"] and rig.app.slots.ledger.phase == PROBATION
    assert rig.refused("confirm") == "early"
    rig.turn(1200)
    assert rig.done()["state"] == "proven"
    assert rig.done("confirm")["state"] == "idle"
    assert rig.done("confirm")["state"] == "idle", "asked again"
    assert rig.start() == NAMES["new"]
    rig.send(LARGE, plain(LARGE, 2))
    assert rig.check(auto=1) == "test"
    rig.turn(20000)
    assert rig.start() == NAMES["large"] and rig.app.slots.ledger.version == 2


def scoring_goes_on_window_by_window():
    """While a model comes, is checked and tried, the active one scores what it would have scored alone."""
    alone = Rig()
    alone.take()
    alone.turn(12000)
    expected = [(f["n"], f["s"], f["a"]) for kind, f in alone.take() if kind == "SCORE"]
    os.umount("/f")
    rig = Rig()
    found = []
    rig.take()

    def run(frames):
        rig.said = b""
        rig.turn(frames)
        found.extend([(f["n"], f["s"], f["a"]) for kind, f in rig.take() if kind == "SCORE"])

    rig.done("begin", d=plain(LARGE))
    at = 0
    while at < len(LARGE):
        at = int(rig.done("data", o=at, d=LARGE[at : at + 100])["at"])
        run(16)
    rig.done("commit", test=1000000, probation=5, alarms=0, auto=0)
    while rig.done()["state"] == "checking":
        rig.clock.now += 1
        run(4)
    assert rig.done()["state"] == "test"
    while len(found) < len(expected):
        run(16)
    assert found[: len(expected)] == expected
    return {"windows": len(expected)}


def any_reset_reverts():
    for state in ("receiving", "checking", "test", "tested", "probation", "proven"):
        rig = Rig()
        rig.send(NEW, plain(NEW))
        if state != "receiving":
            rig.done("commit", test=5, probation=5, alarms=0, auto=0)
        if state not in ("receiving", "checking"):
            while rig.done()["state"] == "checking":
                rig.clock.now += 1
                rig.app.step()
        if state not in ("receiving", "checking", "test"):
            rig.turn(2000)
        if state in ("probation", "proven"):
            rig.done("probation")
        if state == "proven":
            rig.turn(2000)
        assert rig.done()["state"] == state, rig.done()
        assert rig.start() == NAMES["old"]
        end = ENDS[rig.app.slots.ledger.end]
        assert end == ("none" if state in ("receiving", "checking") else "reset"), end
        assert rig.done("about")["end"] == end
        # and the model is there already
        assert rig.done("begin", d=plain(NEW))["at"] == str(len(NEW))
        assert rig.check() == "test"
        os.umount("/f")


def a_host_may_give_it_up_in_any_state():
    for stop in range(5):
        rig = Rig()
        rig.send(NEW, plain(NEW))
        if stop:
            assert rig.check(test=5, probation=5) == "test"
        if stop > 1:
            rig.turn(2000)
        if stop > 2:
            rig.done("probation")
        if stop > 3:
            rig.turn(2000)
        assert rig.done("revert")["state"] == "idle"
        assert rig.done("revert")["state"] == "idle"
        assert rig.app.model.identity == NAMES["old"]
        rig.take()
        rig.turn(200)
        assert "SCORE" in [kind for kind, _ in rig.take()]
        assert rig.start() == NAMES["old"]
        os.umount("/f")


def more_alarms_than_the_old_model_revert():
    for phase in ("test", "probation"):
        for allowed in (0, 1):
            rig = Rig()
            # of the two models `strict` finds twice the noise odd, `old` does not
            assert rig.offer("strict", test=30, probation=60, alarms=allowed) == "test"
            if phase == "probation":
                rig.turn(2000)
                rig.done("probation")
            rig.source.size = 18
            rig.turn(480)
            state = rig.done()
            assert (state["state"] == "idle") == (allowed == 0), (phase, allowed, state)
            if not allowed:
                assert state["why"] == "alarms" and rig.app.model.identity == NAMES["old"]
                assert rig.start() == NAMES["old"] and ENDS[rig.app.slots.ledger.end] == "alarms"
            os.umount("/f")


def alarms_that_both_raise_are_no_reason():
    rig = Rig()
    assert rig.offer("strict", test=30, probation=30) == "test"
    rig.source.size = 180
    rig.turn(400)
    state = rig.done()
    assert state["state"] != "idle" and state["alarms"] == state["old_alarms"] == "1", state


def an_alarm_that_is_on_already_is_no_reason():
    rig = Rig()
    rig.source.size = 180
    rig.turn(400)
    assert rig.app.detector.decision.alarm
    assert rig.offer("strict", test=10, probation=10) == "test"
    rig.turn(400)
    state = rig.done()
    assert state["state"] != "idle" and state["alarms"] == state["old_alarms"] == "1", state


def an_alarm_that_lasts_is_said_when_the_model_changes():
    rig = Rig()
    assert rig.offer("strict", test=30, probation=30, alarms=5) == "test"
    rig.source.size = 18
    rig.turn(600)
    assert rig.done()["alarms"] == "1"
    rig.said = b""
    for byte in link.encode("UPDATE", 5, [("do", "probation")]):
        rig.app.listener.feed(byte)
    said = rig.take()
    assert ("ALARM", "1") in [(kind, fields.get("on")) for kind, fields in said], said
    rig.said = b""
    for byte in link.encode("UPDATE", 5, [("do", "revert")]):
        rig.app.listener.feed(byte)
    assert ("ALARM", "0") in [(kind, fields.get("on")) for kind, fields in rig.take()]


def an_alarm_ends_with_the_model_that_raised_it():
    """A model that the board gives itself, and back to none: the pin is let go, the end is said and noted."""

    class Pin:
        level = None

        def value(self, level):
            self.level = level

    for change in ("use", "adapt", "none", "misfit"):
        rig = Rig(factory="" if change == "none" else "strict.beat")
        if change == "none":
            assert rig.offer("strict", test=5, probation=300, alarms=9) == "test"
            rig.turn(1000)
            rig.done("probation")
        pin = Pin()
        rig.app._pin = AlarmPin(pin)
        rig.app.journal = journal = open_journal("/f/journal", "0001")
        rig.take()
        rig.source.size = 90
        rig.turn(400)
        alarms = [fields["on"] for kind, fields in rig.take() if kind == "ALARM"]
        assert alarms == ["1"] and pin.level == 1, (change, alarms)
        if change == "none":
            rig.app.update.revert("host")
        elif change == "adapt":
            rig.app.use(rig.app.model)
        else:
            if change == "misfit":
                rig.source.rate_millihertz = 100000
            rig.app.use(modelfile.parse(content("old.beat")))
        assert rig.app.mode_name() == (b"idle" if change in ("none", "misfit") else b"score")
        said = [fields for kind, fields in rig.take() if kind == "ALARM"]
        assert [fields["on"] for fields in said] == ["0"] and pin.level == 0, (change, said)
        journal.events.flush()
        data, _ = journal.events.log.read(0, 1000)
        at, kinds = 0, []
        while at < len(data):
            kinds.append(data[at + 2])
            at += length_of_record(data, at, len(data))
        assert (kinds.count(ALARM), kinds.count(ALARM_END)) == (1, 1), kinds
        os.umount("/f")


def a_window_that_takes_too_long_reverts():
    rig = Rig()
    assert rig.offer() == "test"
    take = rig.app.update.shadow.detector.window

    def slow(ring):
        rig.clock.now += 100
        return take(ring)

    rig.app.update.shadow.detector.window = slow
    rig.turn(400)
    assert rig.done()["why"] == "timing"
    assert rig.start() == NAMES["old"] and ENDS[rig.app.slots.ledger.end] == "timing"


def failing(ring):
    raise ZeroDivisionError


def a_model_that_fails_reverts_and_the_old_one_goes_on():
    rig = Rig()
    assert rig.offer() == "test"
    rig.app.update.shadow.detector.window = failing
    rig.turn(400)
    assert rig.done()["why"] == "error" and rig.app.model.identity == NAMES["old"]
    os.umount("/f")
    rig = Rig()
    assert rig.offer(test=5, probation=50) == "test"
    rig.turn(1000)
    rig.done("probation")
    rig.app.detector.window = failing
    rig.source.available = 100
    try:
        rig.app.step()
        raise AssertionError
    except ZeroDivisionError:
        assert rig.app.update.crashed()
    assert rig.app.model.identity == NAMES["old"] and not rig.app.update.crashed()
    rig.take()
    rig.turn(400)
    assert "SCORE" in [kind for kind, _ in rig.take()]


def too_little_memory_reverts():
    rig = Rig()
    assert rig.offer(test=5, probation=5) == "test"
    updating.RESERVE = 1 << 30
    rig.turn(400)
    assert rig.done()["why"] == "heap"
    assert rig.refused("begin", d=plain(NEW, 7)) == "memory"
    updating.RESERVE = 2048
    assert rig.offer() == "test"


def a_host_that_is_gone_reverts():
    rig = Rig()
    assert rig.offer(test=5) == "test"
    rig.turn(400)
    rig.clock.now += 599000
    rig.turn()
    assert rig.app.update.state == updating.TESTED
    rig.clock.now += 2000
    rig.turn()
    assert rig.app.update.state == updating.IDLE and rig.app.update.why == "silence"
    assert rig.offer(test=5, probation=100, auto=1) == "test"
    rig.clock.now += 10000000
    rig.turn(400)
    assert rig.app.update.state == updating.PROBATION


def a_model_that_the_board_gives_itself_ends_the_trial():
    for probation in (False, True):
        rig = Rig()
        assert rig.offer(test=5, probation=50) == "test"
        if probation:
            rig.turn(1000)
            rig.done("probation")
        rig.app.use(modelfile.parse(content("strict.beat")))
        rig.turn(400)
        assert rig.done()["state"] == "idle" and rig.app.model.identity == NAMES["strict"]
        assert ENDS[rig.app.slots.ledger.end] == "superseded"
        os.umount("/f")


def the_watchdog_follows_the_model():
    class Seen:
        def __init__(self):
            self.models = []

        def follow(self, model):
            self.models.append(model.identity)

        def judged(self):
            pass

        def step(self, idle):
            pass

    rig = Rig()
    seen = Seen()
    rig.app.guard(seen)
    assert rig.offer(test=5, probation=50) == "test"
    rig.turn(1000)
    rig.done("probation")
    rig.done("revert")
    rig.app.use(modelfile.parse(content("strict.beat")))
    assert seen.models == [NAMES[name] for name in ("old", "new", "old", "strict")]


def a_model_that_was_learned_counts_until_the_next_one_is_pushed():
    rig = Rig()
    assert rig.offer(test=2, probation=2, auto=1) == "test"
    rig.turn(4000)
    with open("/f/model.beat", "wb") as file:
        file.write(content("strict.beat"))
    rig.app.end_learning("learned", modelfile.parse(content("strict.beat")))
    assert rig.done("blocks", from_=0)["size"] == str(len(content("strict.beat")))
    assert rig.start() == NAMES["strict"]
    rig.app.end_learning("learned", modelfile.parse(content("strict.beat")))
    assert rig.offer("large", test=2, probation=2, auto=1) == "test"
    rig.turn(20000)
    assert rig.start() == NAMES["large"], "without a start in between"


def slow_adaptation_goes_on_with_the_old_model():
    rig = Rig()

    def adapt(on):
        rig.take()
        for byte in link.encode("ADAPT", 6, [("on", on)]):
            rig.app.listener.feed(byte)
        return next(fields for kind, fields in rig.take() if fields.get("re") == "6")

    assert adapt("1")["on"] == "1"
    adaptation = rig.app.adaptation
    assert rig.offer(test=5, probation=50) == "test"
    assert adapt("0")["why"] == "busy"
    rig.turn(1000)
    rig.done("probation")
    assert rig.app.adaptation is None and rig.app.model.identity == NAMES["new"]
    rig.turn(100)
    rig.done("revert")
    assert rig.app.adaptation is adaptation and rig.app.detector is adaptation.detector
    rig.turn(100)
    assert adapt("0")["on"] == "0" and rig.start() == NAMES["old"]


def a_provisioned_board_neither_learns_nor_adapts_unless_it_may():
    rig = Rig()

    def ask(kind, **fields):
        rig.take()
        for byte in link.encode(kind, 6, [(key, link.quote(value)) for key, value in fields.items()]):
            rig.app.listener.feed(byte)
        return next((kind, fields.get("why")) for kind, fields in rig.take() if fields.get("re") == "6")

    rig.provision()
    for _ in range(2):
        assert ask("LEARN", seconds=60, every=3600, budget="1/hour") == ("NAK", "signed")
        assert ask("ADAPT", on=1) == ("NAK", "signed")
        assert rig.app.learning is None and rig.app.adaptation is None
        for kind in ("LEARN", "ADAPT"):
            assert ask(kind)[0] == "ACK", "how it is may be asked"
        assert ask("ADAPT", on=0)[0] == ask("LEARN", stop=1)[0] == "ACK"
        assert rig.start() == NAMES["old"], "and the same after a reset"
    rig.app.may_learn = True
    assert ask("ADAPT", on=1)[0] == "ACK" and rig.app.adaptation is not None
    assert ask("LEARN", seconds=60, every=3600, budget="1/hour")[0] == "ACK" and rig.app.learning is not None


def evidence_has_the_size_of_the_model_that_was_confirmed():
    for factory in ("old.beat", ""):
        rig = Rig(factory=factory)
        evidence = rig.app.evidence
        assert (evidence is None) == (not factory)
        assert rig.offer("strict" if factory else "new", test=5, probation=5) == "test"
        rig.turn(1000)
        rig.done("probation")
        rig.turn(1000)
        rig.done("confirm")
        if factory:
            assert rig.app.evidence is evidence, "the same window and hop: what is kept stays"
            assert rig.offer("new", test=5, probation=50) == "test"
            rig.turn(1000)
            rig.done("probation")
            rig.done("revert")
            assert rig.app.evidence is evidence
            assert rig.offer("new", test=5, probation=5) == "test"
            rig.turn(1000)
            rig.done("probation")
            rig.turn(1000)
            rig.done("confirm")
        rig.turn(400)
        rig.source.size = 90
        rig.turn(1000)
        evidence = rig.app.evidence
        (number,) = evidence.kept()
        window, hop = 64, 16
        assert evidence.about(number)[3:] == (window + 3 * hop, hop)
        os.umount("/f")


def what_was_learned_and_cannot_run_leaves_the_old_model():
    """No memory for the model, for its file, or a file that is none; and the flash refuses."""
    store, detector = learn_session.store, app_module.Detector

    def fails(*_):
        raise error

    for fault, error in (
        ("parse", None), ("build", MemoryError()), ("store", MemoryError()), ("store", OSError(28)), ("", None),
    ):  # fmt: skip
        for factory in ("old.beat", ""):
            rig = Rig(factory=factory)
            learn_session.time = rig.clock
            before = NAMES["old"] if factory else "none"
            for byte in link.encode("LEARN", 6, [("seconds", "60"), ("every", "3600"), ("budget", "1/hour")]):
                rig.app.listener.feed(byte)
            assert rig.app.learning is not None
            rig.take()
            run = rig.app.learning.run
            run.model, run.stage = content("strict.beat")[: 99 if fault == "parse" else None], learn_session.DONE
            if fault == "store":
                learn_session.store = fails
            elif fault == "build":

                def builds(model):
                    if model.identity == NAMES["strict"]:
                        raise MemoryError
                    return detector(model)

                app_module.Detector = builds
            rig.turn()
            learn_session.store, app_module.Detector = store, detector
            assert rig.app.learning is None
            said = rig.take()
            words = [fields.get("why") for kind, fields in said if kind == "LEARN"]
            assert words == [None if not fault else "flash" if isinstance(error, OSError) else "memory"], said
            runs = before if fault else NAMES["strict"]
            assert (rig.app.model.identity if rig.app.model else "none") == runs
            rig.turn(400)
            assert ("SCORE" in [kind for kind, _ in rig.take()]) == (runs != "none"), (fault, factory)
            assert rig.start() == runs, "and the same after a reset"
            assert "model.beat.new" not in os.listdir("/f")
            os.umount("/f")


def the_file_of_the_model_that_decides_is_handed_out():
    rig = Rig()

    def size():
        rig.take()
        for byte in link.encode("MODEL", 6, [("from", "0")]):
            rig.app.listener.feed(byte)
        return next(fields for kind, fields in rig.take() if fields.get("re") == "6")["size"]

    assert rig.offer(test=5, probation=5) == "test"
    assert size() == str(len(OLD))
    rig.turn(1000)
    rig.done("probation")
    assert size() == str(len(NEW))
    rig.turn(1000)
    rig.done("confirm")
    assert size() == str(len(NEW))


def lost_samples_revert():
    """As the sensor tells it: those of a FIFO that ran over, and of a timer that was late."""
    for phase in ("test", "probation"):
        for count in ("lost", "overruns"):
            rig = Rig()
            rig.source.lost, rig.source.overruns = 7, 2
            rig.send(NEW, plain(NEW))
            rig.source.loses(count)
            rig.turn(40)
            assert rig.check(test=5, probation=50) == "test", "what was lost before it ran is not its fault"
            rig.turn(1000)
            if phase == "probation":
                rig.done("probation")
            rig.turn(40)
            assert rig.app.update.state == (updating.PROBATION if phase == "probation" else updating.TESTED)
            rig.source.loses(count)
            rig.turn(40)
            assert rig.done()["state"] == "idle" and rig.done()["why"] == "lost"
            assert rig.app.model.identity == NAMES["old"] and ENDS[rig.app.slots.ledger.end] == "lost"
            os.umount("/f")


def a_recording_in_between_does_no_harm():
    rig = Rig()
    assert rig.offer(test=40) == "test"
    rig.turn(100)
    for byte in link.encode("RECORD", 9, [("seconds", 1)]):
        rig.app.listener.feed(byte)
    rig.turn(410)
    assert rig.app.update.shadow.ring.filled < 64
    rig.turn(3000)
    assert rig.done()["state"] == "tested"


def a_board_without_a_model_takes_one():
    rig = Rig(factory=None)
    assert rig.app.detector is None
    assert rig.offer(test=5, probation=5) == "test"
    rig.turn(600)
    assert rig.done()["state"] == "tested"
    rig.take()
    rig.done("probation")
    assert rig.app.detector is not None
    assert rig.done("revert")["state"] == "idle" and rig.app.detector is None
    assert rig.offer(test=5, probation=5, auto=1) == "test"
    rig.turn(4000)
    assert rig.start() == NAMES["new"]


def a_deployment_is_newer_than_what_was_pushed():
    rig = Rig()
    assert rig.offer(test=5, probation=5, auto=1) == "test"
    rig.turn(4000)
    assert rig.start() == NAMES["new"]
    with open("/f/model.beat", "wb") as file:
        file.write(content("strict.beat"))
    assert rig.start() == NAMES["strict"]
    with open("/f/model.beat", "wb") as file:
        file.write(content("old.beat"))
    assert rig.start() == NAMES["old"], "what was pushed before does not come back"
    assert rig.refused("begin", d=plain(LARGE, 1)) == "version", "but its number stays"


def a_damaged_factory_model_changes_nothing():
    rig = Rig()
    assert rig.offer(test=5, probation=5, auto=1) == "test"
    rig.turn(4000)
    for rest in (OLD[:-1], b"", OLD[:50] + b"?" + OLD[51:]):
        with open("/f/model.beat", "wb") as file:
            file.write(rest)
        assert rig.start() == NAMES["new"]


def what_rots_is_passed_over():
    """The model before, then the factory's, where the confirmed one cannot be read any more."""
    rig = Rig()
    for name, version in (("new", 1), ("large", 2)):
        data = content(name + ".beat")
        rig.send(data, plain(data, version))
        assert rig.check(test=2, probation=2, auto=1) == "test"
        rig.turn(4000)
        assert rig.start() == NAMES[name]
    confirmed = rig.app.slots.path(rig.app.slots.place)
    before = rig.app.slots.path(1 - rig.app.slots.place)
    data = bytearray(LARGE)
    data[700] ^= 4
    with open(confirmed, "wb") as file:
        file.write(plain(LARGE, 2) + data)
    assert rig.start() == NAMES["new"]
    assert rig.app.slots.path(rig.app.slots.idle()) == confirmed, "the next one does not go over the one that runs"
    os.remove(before)
    assert rig.start() == NAMES["old"]
    os.remove("/f/models/state0")
    os.remove("/f/models/state1")
    assert rig.start() == NAMES["old"]


def a_copy_of_the_ledger_that_rots_leaves_the_other(step=13):
    """Whichever bit of the newer copy, or a sample: what the other one says counts, one change of state earlier."""
    rig = Rig()
    assert rig.offer(test=2, probation=2, auto=1) == "test"
    rig.turn(4000)
    assert rig.start() == NAMES["new"]
    number = rig.app.slots.ledger.sequence & 1
    paths = (f"/f/models/state{number}", f"/f/models/state{1 - number}")
    copies = []
    for path in paths:
        with open(path, "rb") as file:
            copies.append(file.read())
    for bit in range(0, 8 * len(copies[0]), step):
        damaged = bytearray(copies[0])
        damaged[bit >> 3] ^= 1 << (bit & 7)
        with open(paths[0], "wb") as file:
            file.write(damaged)
        assert rig.start() == NAMES["old"], bit
        for path, whole in ((paths[0], copies[0]), (paths[1], copies[1])):
            with open(path, "wb") as file:
                file.write(whole)
    assert rig.start() == NAMES["new"]


# --- who may ---


def only_the_right_signature_is_taken():
    rig = Rig()
    assert rig.provision()["kind"] == "ACK"
    assert rig.refused("begin", d=plain(NEW)) == "class"
    assert rig.refused("begin", d=plain(NEW, device_class="pumps")) == "unsigned"
    assert rig.refused("begin", d=plain(NEW, device_class="pumps", algorithm=HMAC)) == "algorithm"
    assert rig.refused("begin", d=content("fans.sig")) == "class"
    assert rig.refused("begin", d=content("new.sig")[:-1]) == "form"
    assert rig.refused("begin", d=content("new.sig")[:100]) == "form"
    rig.send(NEW, content("wrong.sig"))
    assert rig.check() == "signature"
    cut = content("new.sig")[:-60]  # a truncated signature, padded and sealed as if it were whole
    rig.send(NEW, seal(cut[:64], cut[64:]))
    assert rig.check() == "signature"
    assert "a" not in os.listdir("/f/models")
    assert rig.offer() == "test"


def an_older_version_is_not_taken_again():
    rig = Rig()
    rig.provision()
    assert rig.offer("new", test=2, probation=2, auto=1) == "test"
    rig.turn(4000)
    assert rig.start() == NAMES["new"]
    assert rig.refused("begin", d=content("new.sig")) == "version"
    assert rig.refused("begin", d=content("earlier.sig")) == "version"
    assert Manifest(content("downgrade.sig")).flags == DOWNGRADE
    rig.send(OLD, content("downgrade.sig"))
    assert rig.check(test=2, probation=2, auto=1) == "test"
    rig.turn(4000)
    assert rig.start() == NAMES["old"] and rig.app.slots.ledger.version == 2000
    assert rig.refused("begin", d=content("new.sig")) == "version"


def a_revert_does_not_use_a_version_up():
    rig = Rig()
    rig.provision()
    assert rig.offer() == "test"
    rig.done("revert")
    assert rig.offer() == "test"


def a_key_is_handed_over_by_the_one_before():
    rig = Rig()
    rig.provision()
    assert rig.provision()["kind"] == "ACK", "asked again"
    second = {"algorithm": ED25519, "key": content("second.pub"), "class_": "fans"}
    assert rig.refused("trust", **second) == "trust"
    signature = content("handed.sig")
    assert rig.refused("trust", sig=signature[:-1] + bytes([signature[-1] ^ 1]), **second) == "trust"
    assert rig.refused("trust", sig=content("elsewhere.sig"), **second) == "trust", "it is for the board 0002"
    assert rig.refused("trust", algorithm=UNSIGNED, key=bytes(32)) == "trust"
    assert rig.done("trust", sig=content("handed.sig"), **second)["kind"] == "ACK"
    rig.start()
    assert rig.refused("begin", d=content("new.sig")) == "class"
    rig.send(NEW, content("second.sig"))
    assert rig.check() == "test"


def sampling_goes_on_while_a_hand_over_is_verified():
    """Whoever asks, with whatever signature: no window is late, and the watchdog is fed."""

    class Timer:
        fed = 0

        def feed(self):
            self.fed += 1

    rig = Rig()
    rig.provision()
    outputs.time = rig.clock
    timer = Timer()
    rig.app.guard(outputs.Watchdog(timer))
    turns = 0
    step = rig.app.step

    def counted():
        nonlocal turns
        turns += 1
        rig.source.available += 2
        return step()

    rig.app.step = counted
    rig.said = b""
    signature = content("handed.sig")
    for right in (0, 1):
        fields = [("do", "trust"), ("algorithm", "1"), ("class", "fans")]
        for name, value in (("key", content("second.pub")), ("sig", bytes([signature[0] ^ 1 ^ right]) + signature[1:])):
            fields.append((name, b2a_base64(value).decode().strip()))
        for byte in link.encode("UPDATE", 5, fields):
            rig.app.listener.feed(byte)
        said = rig.take()
        assert not rig.source.available
        scores = [found for kind, found in said if kind == "SCORE"]
        assert len(scores) >= 30, len(scores)
        assert said[-1][0] == ("ACK" if right else "NAK"), said[-1]
    assert turns > 500 and timer.fed == turns
    assert rig.app.slots.ledger.key == content("second.pub")
    return {"turns": turns}


def the_longest_answer_fits_a_line():
    rig = Rig()
    assert rig.provision(device_class="x" * 16)["kind"] == "ACK"
    rig.app.slots.ledger.version = 0xFFFFFFFF
    rig.app.slots.ledger.failed = 0x3FFFFFFF
    rig.app.slots.ledger.end = ENDS.index("superseded")
    rig.app.lines.sequence = 65533
    answer = rig.done("about", family=1)
    assert (answer["class"], answer["version"], answer["failed"]) == ("78" * 16, "4294967295", "1073741823")


def a_board_has_a_secret_of_its_own():
    rig = Rig()
    assert rig.provision("secret", HMAC, "")["kind"] == "ACK"
    assert "key" not in rig.done("about"), "a secret is never told"
    first = plain(NEW, algorithm=HMAC)
    for key, expected in ((bytes(32), "signature"), (content("secret"), "test")):
        rig.send(NEW, seal(first[:64], hmac256(key, signed(first))))
        assert rig.check() == expected


def every_bit_of_a_model_file_is_looked_at(step=13):
    """By the reader each one, by the whole way of a model onto the board each one or a sample."""
    rig = Rig()
    rig.provision()
    data = content("small.beat")
    manifest = content("small.sig")
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit >> 3] ^= 1 << (bit & 7)
        try:
            modelfile.parse(damaged)
            raise AssertionError(bit)
        except modelfile.ModelError:
            pass
        if bit % step:
            continue
        rig.send(bytes(damaged), manifest)
        assert rig.check() == "digest", bit
    rig.send(data, manifest)
    assert rig.check() == "test"
    return {"bits": 8 * len(data)}


def every_bit_of_a_manifest_is_looked_at(step=13):
    """With a CRC that fits, so that signature, class, version or form has to notice; a sample by default."""
    rig = Rig()
    rig.provision()
    data, manifest = content("small.beat"), content("small.sig")
    found = {}
    for bit in range(0, 8 * 128, step):
        damaged = bytearray(manifest[:128])
        damaged[bit >> 3] ^= 1 << (bit & 7)
        whole = seal(bytes(damaged[:64]), bytes(damaged[64:]))
        answer = rig.ask("begin", d=whole)
        why = answer["why"] if answer["kind"] == "NAK" else ""
        if not why:
            at = int(answer["at"])
            room = Manifest(whole).length
            piece = data[at:room] + bytes(max(room - len(data), 0))
            if room > 5000:
                why = "length"
                rig.done("revert")
            else:
                for place in range(at, room, 120):
                    rig.done("data", o=place, d=piece[place - at : place - at + 120][: room - place])
                why = rig.check()
        assert why in (
            "class",
            "version",
            "form",
            "format",
            "unsigned",
            "algorithm",
            "signature",
            "digest",
            "memory",
            "room",
            "length",
        ), (bit, why)
        found[why] = found.get(why, 0) + 1
    for bit in range(0, 8 * len(manifest), step):
        damaged = bytearray(manifest)
        damaged[bit >> 3] ^= 1 << (bit & 7)
        assert rig.refused("begin", d=bytes(damaged)) == "crc"
    assert rig.app.slots.ledger.sequence == 1, "nothing of it has come near the ledger"
    return found


# --- what comes over the line ---


def pieces_come_in_order_and_may_be_repeated():
    rig = Rig()
    assert rig.refused("data", o=0, d=NEW[:9]) == "begin"
    assert rig.refused("commit", test=1, probation=1, alarms=0, auto=0) == "begin"
    manifest = plain(NEW)
    assert rig.done("begin", d=manifest)["at"] == "0"
    assert rig.done("data", o=0, d=NEW[:100])["at"] == "100"
    assert rig.done("data", o=0, d=NEW[:100])["at"] == "100"
    assert rig.done("data", o=40, d=NEW[40:140])["at"] == "140", "only what is new"
    assert rig.refused("data", o=141, d=NEW[141:200]) == "gap"
    assert rig.refused("commit", test=1, probation=1, alarms=0, auto=0) == "begin"
    assert rig.done("begin", d=manifest)["at"] == "140"
    for at in range(140, len(NEW) - 50, 120):
        rig.done("data", o=at, d=NEW[at : min(at + 120, len(NEW) - 50)])
    assert rig.refused("data", o=len(NEW) - 50, d=NEW[-50:] + b"x") == "gap"
    rig.done("data", o=len(NEW) - 50, d=NEW[-50:])
    assert rig.check() == "test"
    assert rig.done("data", o=0, d=NEW[:100])["state"] == "test"
    assert rig.done("begin", d=manifest)["state"] == "test"
    assert rig.refused("begin", d=plain(NEW, 2)) == "busy"
    assert rig.done("commit", test=1, probation=1, alarms=0, auto=0)["state"] == "test"


def a_transfer_goes_on_after_the_power_was_cut():
    found = []
    for stop in range(100, len(LARGE), 911):
        rig = Rig()
        manifest = plain(LARGE)
        rig.done("begin", d=manifest)
        for at in range(0, stop, 100):
            rig.done("data", o=at, d=LARGE[at : at + 100])
        rig.start()
        at = int(rig.done("begin", d=manifest)["at"])
        assert at == max((at + 136) // BLOCK * BLOCK - 136, 0) and stop + 100 - at <= BLOCK + 100, (stop, at)
        found.append(at)
        assert rig.done("begin", d=plain(NEW))["at"] == "0", "another model, another beginning"
        os.umount("/f")
    assert max(found) > BLOCK, found


def a_copy_takes_what_the_board_has():
    rig = Rig()
    answer = rig.done("blocks", from_=0)
    assert answer["size"] == str(len(OLD))
    rig.done("begin", d=plain(OLD, 1))
    assert rig.refused("copy", o=0, from_=len(OLD), n=1) == "gap"
    assert rig.refused("copy", o=0, from_=0, n=1025) == "field"
    for at in range(0, len(OLD), 500):
        rig.done("copy", o=at, from_=at, n=min(500, len(OLD) - at))
    assert rig.check() == "test"
    rig.done("revert")
    assert rig.offer(test=2, probation=2, auto=1) == "test"
    rig.turn(4000)
    assert rig.done("blocks", from_=0)["size"] == str(len(NEW)), "of the slot, without its manifest"


def wrong_fields_are_refused():
    rig = Rig()
    for fields in (
        {"do": "dance"}, {"do": "begin"}, {"do": "data", "o": "0"}, {"do": "data", "o": "-1", "d": b"x"}, {"do":
        "copy", "o": "0"}, {"do": "commit"}, {"do": "blocks"}, {"do": "trust"}, {"do": "trust", "algorithm": 3, "key":
        bytes(32)}, {"do": "trust", "algorithm": 1, "key": bytes(31)}, {"do": "trust", "algorithm": 1, "key":
        bytes(32), "class": "x" * 17}, {"do": "about", "family": "x"}, {"do": "data", "o": "9" * 40, "d": b"x"},
        {"do": "blocks", "from": "1e3"},
    ):  # fmt: skip
        what = fields.pop("do")
        assert rig.refused(what, **fields) == "field", fields
    assert rig.refused("begin", d=b"x" * 136) in ("crc", "form")
    assert rig.done()["state"] == "idle"


def a_board_without_files_takes_none():
    rig = Rig()
    rig.app.slots = None
    assert rig.refused() == "updates"


# --- flash ---


def fill_the_flash(blocks=0):
    with open("/f/other", "wb") as file:
        try:
            while True:
                file.write(b"x" * BLOCK)
                file.flush()
        except OSError:
            pass


def a_full_flash_is_said():
    rig = Rig(24)
    fill_the_flash()
    assert rig.refused("begin", d=plain(LARGE)) in ("room", "flash")
    assert rig.start() == NAMES["old"]
    os.remove("/f/other")
    rig.done("begin", d=plain(LARGE))
    fill_the_flash()
    at, why = 0, ""
    while not why:
        answer = rig.ask("data", o=at, d=LARGE[at : at + 120])
        why = answer["why"] if answer["kind"] == "NAK" else ""
        at = int(answer.get("at", at))
    assert why in ("room", "flash") and rig.done()["state"] == "idle", why
    assert rig.app.model.identity == NAMES["old"]
    os.remove("/f/other")
    assert rig.offer() == "test"
    assert rig.refused("begin", d=plain(b"x" * 300000)) in ("busy",)


def a_second_model_that_cannot_begin_ends_the_first():
    """No room, flash that fails, or no memory: the board is idle then, and goes on."""
    for fault, why in (("room", "room"), ("flash", "flash"), ("memory", "memory")):
        rig = Rig(24)
        rig.done("begin", d=plain(NEW))
        at = int(rig.done("data", o=0, d=NEW[:100])["at"])
        slots = rig.app.slots
        length = 90000 if fault == "room" else len(LARGE)
        other = seal(unsigned(UNSIGNED, 0, 7, length, "", bytes(32)))
        room = slots.room
        if fault != "room":

            def failing_room(error=MemoryError if fault == "memory" else OSError):
                raise error

            slots.room = failing_room
        assert rig.refused("begin", d=other) == why
        slots.room = room
        assert rig.done()["state"] == "idle" and rig.done()["why"] == why
        assert rig.refused("data", o=at, d=NEW[at:200]) == "begin"
        assert rig.refused("commit", test=1, probation=1, alarms=0, auto=0) == "begin"
        rig.turn(400)
        assert "SCORE" in [kind for kind, _ in rig.take()]
        assert rig.offer() == "test"
        os.umount("/f")


def a_command_that_fails_ends_nothing():
    rig = Rig()
    rig.done()
    for error in (AttributeError, ZeroDivisionError, RuntimeError, OSError):

        def failing_say(lines, error=error):
            raise error

        rig.app.update.say, kept = failing_say, rig.app.update.say
        assert rig.refused() == ("flash" if error is OSError else "error")
        rig.app.update.say = kept
        assert rig.done()["state"] == "idle"
    rig.turn(400)
    assert "SCORE" in [kind for kind, _ in rig.take()]


def an_oversized_model_is_refused_before_it_comes():
    rig = Rig(24)
    digest = bytes(32)
    for length, why in ((90000, "room"), (1 << 31, "memory"), (0xFFFFFFFF, "memory")):
        assert rig.refused("begin", d=seal(unsigned(UNSIGNED, 0, 1, length, "", digest))) == why
    assert int(rig.done("about")["room"]) < 90000


def flash_that_fails_at_any_operation_leaves_a_valid_model(step=13):
    """Errors, not cuts: the board goes on, says so, and is right at the next start. Each operation, or a sample."""
    outcomes = {}
    for count in range(0, 130, step):
        rig = Rig()
        rig.flash.forgiving = True
        rig.flash.fails = count
        data, at = NEW, 0
        answer = rig.ask("begin", d=plain(data))
        while answer["kind"] == "ACK" and at < len(data):
            answer = rig.ask("data", o=at, d=data[at : at + 120])
            at = int(answer.get("at", at))
        if answer["kind"] == "ACK":
            rig.ask("commit", test=2, probation=2, alarms=0, auto=1)
            while rig.app.update.state != updating.IDLE:
                rig.clock.now += 1
                rig.turn(4)
        runs = rig.app.model.identity
        rig.flash.fails = -1
        os.umount("/f")
        rig.flash.mount("/f")
        started = rig.start()
        assert started in (NAMES["old"], NAMES["new"])
        # what was confirmed stays; what was not may have been written all the same when the flash said no
        assert started == NAMES["new"] or runs == NAMES["old"], count
        outcomes[started] = outcomes.get(started, 0) + 1
        if started == NAMES["old"]:
            assert rig.offer() == "test"
        os.umount("/f")
    assert len(outcomes) == 2, outcomes
    return outcomes


def the_shadow_allocates_nothing():
    rig = Rig()
    assert rig.offer(test=1 << 29) == "test"
    rig.app.lines._write = lambda buffer, length: None
    rig.turn(200)
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    rig.source.available = 1 << 20
    for _ in range(200):
        rig.app.step()
    after = gc.mem_alloc()
    gc.enable()
    assert after == before, after - before


print(json.dumps(globals()[sys.argv[2]](*[int(word) for word in sys.argv[3:]])))
