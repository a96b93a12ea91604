"""Runs under MicroPython: power is cut at every flash operation of an update, on littlefs or on FAT.

micropython update_cuts.py SYSTEM SCENARIO PAIRS EVERY REST MODELS: SYSTEM littlefs or fat; SCENARIO update or revert;
PAIRS 1: of each state that a first cut leaves, every operation of the start after it, and of the update tried once
more, is cut too; of the first cuts each EVERY-th, from REST on; MODELS: a directory with factory.beat, old.beat,
new.beat. Prints one JSON object.

A cut leaves the operation undone, or half done: the other half is what was there before, and on flash also noise. A
sector of a card is also torn after an eighth, within the ledger's record.
"""

import hashlib
import json
import os
import sys
import time

from flash import BLOCK, Flash, carry_out

from offbeat import modelfile
from offbeat.ledger import ENDS, NO_PHASE
from offbeat.manifest import UNSIGNED, Manifest, seal, unsigned
from offbeat.slots import Slots

SECTOR = 512
CHUNK = 123
NOISE = bytes([(i * 193 + 7) & 0xFF for i in range(BLOCK)])


class Card:
    """A block device of sectors, that notes what is written; see flash.Flash."""

    def __init__(self, sectors):
        self.sectors = sectors
        self.image = bytearray(SECTOR * sectors)
        self.operations = []
        self.noting = False

    def readblocks(self, block, buffer):
        at = block * SECTOR
        memoryview(buffer)[:] = memoryview(self.image)[at : at + len(buffer)]

    def writeblocks(self, block, buffer):
        for i in range(0, len(buffer), SECTOR):
            at = block * SECTOR + i
            data = bytes(buffer[i : i + SECTOR])
            if self.noting:
                self.operations.append((at, data))
            self.image[at : at + SECTOR] = data

    def ioctl(self, operation, argument):
        return {4: self.sectors, 5: SECTOR}.get(operation, 0)

    def format(self):
        os.VfsFat.mkfs(self)

    def mount(self, place):
        os.mount(os.VfsFat(self), place)


SYSTEMS = {
    "littlefs": (lambda: Flash(24), ((0, None), (4, None), (4, NOISE))),
    "fat": (lambda: Card(192), ((0, None), (1, None), (4, None))),
}
"""For each a device, and the ways of a cut: eighths of the operation that were done, and what the rest became."""


def cut_short(image, operation, eighths, noise):
    """Do a part of an operation on an image."""
    at, data = operation
    if data is None:
        carry_out(image, operation, eighths // 4, noise)
        return
    done = len(data) * eighths // 8
    image[at : at + done] = data[:done]
    if noise is not None:
        image[at + done : at + len(data)] = noise[: len(data) - done]


class Sweep:
    """The counts, and the device that everything happens on."""

    def __init__(self, system, scenario, models):
        make, self.ways = SYSTEMS[system]
        self.device = make()
        self.scenario = scenario
        self.models = models
        self.identities = {name: modelfile.parse(data).identity for name, data in models.items()}
        self.refused = 0  # updates that the file system refuses to take
        self.states = self.pairs = self.operations = self.wrong = 0
        self.found = dict.fromkeys(models, 0)
        self.examples = []

    def started(self):
        """As a board starts: (slots, name of the model that it has chosen)."""
        model, why = None, "no_model"
        try:
            model, why = modelfile.load("/f/model.beat"), ""
        except (OSError, modelfile.ModelError) as error:
            why = str(error)
        slots = Slots("/f/models")
        model, why = slots.choose(model, why)
        if model is None:
            raise ValueError("no model: " + why)
        names = [name for name in self.identities if self.identities[name] == model.identity]
        return slots, names[0]

    def push(self, name, version, scenario, marks=None):
        """A start and a whole update. marks: takes how many operations were done when its last write began."""
        slots, _ = self.started()
        data = self.models[name]
        digest = hashlib.sha256(data).digest()
        manifest = Manifest(seal(unsigned(UNSIGNED, 0, version, len(data), "", digest)))
        slots.begin(manifest)
        for _ in range(2):
            while slots.received < len(data):
                slots.put(data[slots.received : slots.received + CHUNK])
            slots.finish()
            try:
                found, _ = slots.load(slots.idle())
                if hashlib.sha256(found).digest() == digest:
                    break
            except OSError:  # FAT: the chain of the file is torn
                slots.discard()
            slots.begin(manifest, True)
        slots.test(modelfile.parse(found))
        slots.probation()
        if marks is not None:
            marks.append(len(self.device.operations))
        if scenario == "update":
            slots.confirm(version)
        else:
            slots.revert("alarms")

    def noted(self, action):
        """Operations that an action does on what is mounted."""
        self.device.operations = []
        self.device.noting = True
        try:
            action()
        finally:
            self.device.noting = False
        return self.device.operations

    def mounted(self, image, action):
        """Do something on an image; what it returns."""
        self.device.image[:] = image
        self.device.mount("/f")
        try:
            return action()
        finally:
            os.umount("/f")

    def begin(self):
        """A board with a factory model and a confirmed update; its image."""
        self.device.format()
        self.device.mount("/f")
        with open("/f/model.beat", "wb") as file:
            file.write(self.models["factory"])
        self.push("old", 1, "update")
        os.umount("/f")
        return bytearray(self.device.image)

    def run(self, pairs, every, rest):
        """Cut everything once, or twice."""
        image = self.begin()
        marks = []
        operations = self.mounted(image, lambda: self.noted(lambda: self.push("new", 2, self.scenario, marks)))
        self.operations = len(operations)
        for i in range(len(operations)):
            if i % every == rest:
                allowed = ("old", "new") if self.scenario == "update" and i >= marks[0] else ("old",)
                for way in self.ways:
                    cut = bytearray(image)
                    cut_short(cut, operations[i], *way)
                    self.check(cut, allowed, (i, way[0]), pairs)
            carry_out(image, operations[i])

    def check(self, image, allowed, where, pairs):
        """Start from a state: a model that is allowed is chosen, and the update can be tried again, to its end."""
        self.states += 1
        try:
            self.device.image[:] = image
            self.device.mount("/f")
            operations = self.noted(lambda: self.again(allowed))
        except Exception as error:
            self.note(where, error)
            return
        finally:
            os.umount("/f")
        if not pairs:
            return
        for i in range(len(operations)):
            for way in self.ways:
                self.pairs += 1
                second = bytearray(image)
                cut_short(second, operations[i], *way)
                try:
                    self.mounted(second, lambda: self.again(("old", "new")))
                except Exception as error:
                    self.note((where, i, way[0]), error)
            carry_out(image, operations[i])

    def again(self, allowed):
        slots, name = self.started()
        if name not in allowed:
            raise ValueError("chose " + name)
        self.found[name] += 1
        if slots.ledger.phase != NO_PHASE or slots.ledger.end >= len(ENDS):
            raise ValueError("a candidate outlives a start")
        slots, name_again = self.started()
        if name_again != name:
            raise ValueError("another start, another model")
        try:
            self.push("new", 3, "update")
        except OSError:
            # a torn table of FAT, which nothing above the file system mends: what ran goes on
            self.refused += 1
            if self.started()[1] != name:
                raise
            return
        if self.started()[1] != "new":
            raise ValueError("the update does not go on")

    def note(self, where, error):
        self.wrong += 1
        if len(self.examples) < 5:
            self.examples.append([where, repr(error)])


def main(system, scenario, pairs, every, rest, directory):
    began = time.time()
    models = {}
    for name in ("factory", "old", "new"):
        with open(directory + "/" + name + ".beat", "rb") as file:
            models[name] = file.read()
    sweep = Sweep(system, scenario, models)
    sweep.run(int(pairs), int(every), int(rest))
    print(json.dumps({
        "operations": sweep.operations, "states": sweep.states, "pairs": sweep.pairs, "wrong": sweep.wrong,
        "refused": sweep.refused, "found": sweep.found, "examples": sweep.examples, "seconds": time.time() - began,
        "bytes": len(models["new"]),
    }))  # fmt: skip


main(*sys.argv[1:])
