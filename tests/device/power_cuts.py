"""Runs under MicroPython: power is cut at every flash operation of a run of appended records.

micropython power_cuts.py RECORDS EVERY REST: of each EVERY-th record, from REST on, every operation of the flash
is cut in three ways: before it, in its middle, and in its middle with noise in the other half. From each of these
states the log is recovered as at a start, compared with what was committed, and goes on with another record.
Prints one JSON object.
"""

import json
import os
import struct
import sys
import time

from flash import BLOCK, Flash, carry_out

from offbeat.records import HEAD, LONGEST, MARK, MINUTE, OVERHEAD, seal
from offbeat.segments import SegmentLog

BLOCKS = 20
LIMIT = 2
RESTART_EVERY = 97
OWNER = b"test"


def record(sequence):
    """A record whose length and content follow from its number."""
    state = (sequence * 8121 + 28411) % 134456
    size = state % (LONGEST - OVERHEAD + 1) if state % 3 else 12  # 12: a summary
    data = bytearray(OVERHEAD + size)
    struct.pack_into(HEAD, data, 0, MARK, len(data), MINUTE, 1 + sequence // RESTART_EVERY, 0, sequence)
    for i in range(size):
        data[15 + i] = (state + 7 * i) & 0xFF
    seal(data, 0, sequence)
    return bytes(data)


def everything(log):
    """All that a host would get, and the number of the first record."""
    found = bytearray()
    sequence = 0
    while True:
        part, following = log.read(sequence, BLOCK)
        found += part
        if following == sequence or following >= log.next:
            found += log.read(following, BLOCK)[0]
            break
        sequence = following
    return bytes(found), struct.unpack_from("<I", found, 7)[0] if found else log.next


class Sweep:
    """The run: its flash, the log on it, the flash on which power cuts are tried, and what was found."""

    def __init__(self):
        self.flash = Flash(BLOCKS)
        self.flash.format()
        self.flash.mount("/run")
        self.log = self.started("/run")
        self.tried = Flash(BLOCKS)
        self.records = {}
        self.noise = bytes([(i * 193 + 7) & 0xFF for i in range(BLOCK)])
        self.operations = self.states = self.lost = self.corrupt = 0
        self.examples = []

    def started(self, place):
        log = SegmentLog(place + "/journal", "m", OWNER, LIMIT, bytearray(600))
        log.recover()
        return log

    def append(self, sequence, cut):
        """Append a record; with `cut`, try every state that a power cut can leave meanwhile."""
        flash = self.flash
        data = self.records[sequence] = record(sequence)
        oldest = self.log.oldest
        if cut:
            before = bytearray(flash.image)
            flash.operations.clear()
            flash.noting = True
        self.log.append(data, sequence, 1)
        flash.noting = False
        for old in range(oldest, self.log.oldest):
            self.records.pop(old - 1000, None)
        if cut:
            operations = flash.operations[:]
            self.operations += len(operations)
            for i in range(len(operations)):
                for share, noise in ((0, None), (1, None), (1, self.noise)):
                    self.tried.image[:] = before
                    carry_out(self.tried.image, operations[i], share, noise)
                    self.check(sequence, oldest, (sequence, i, share))
                carry_out(before, operations[i])
            assert before == flash.image

    def check(self, sequence, oldest, where):
        """Start from a state: all committed records are there, at most the one in flight beside them; go on."""
        self.states += 1
        self.tried.mount("/cut")
        try:
            log = self.started("/cut")
            last = self.compare(log, (oldest, self.log.oldest), (sequence - 1, sequence))
            following = record(last + 1)
            log.append(following, last + 1, 1)
            log = self.started("/cut")
            if log.next != last + 2 or bytes(log.read(last + 1, BLOCK)[0]) != following:
                raise ValueError("does not go on")
        except Exception as error:
            self.lost += 1
            self.note(where, repr(error))
        finally:
            os.umount("/cut")

    def compare(self, log, oldest, newest):
        """What a log holds is what was written, from one of the numbers `oldest` to one of `newest`; the last one."""
        found, first = everything(log)
        last = log.next - 1
        expected = b"".join([self.records.get(n) or record(n) for n in range(first, last + 1)])
        if found != expected:
            self.corrupt += 1
            raise ValueError("shows other records than were written")
        if first not in oldest or last not in newest:
            raise ValueError(f"holds {first} to {last}")
        return last

    def note(self, where, what):
        if len(self.examples) < 5:
            self.examples.append([where, what])


def main(count, every, rest):
    began = time.time()
    sweep = Sweep()
    most = 0
    for sequence in range(1, count + 1):
        if sequence % RESTART_EVERY == 0:
            os.umount("/run")
            sweep.flash.mount("/run")
            sweep.log = sweep.started("/run")
        before = sweep.flash.erased
        sweep.append(sequence, sequence % every == rest)
        most = max(most, sweep.flash.erased - before)
    print(json.dumps({
        "records": count, "operations": sweep.operations, "states": sweep.states, "lost": sweep.lost,
        "corrupt": sweep.corrupt, "examples": sweep.examples, "files": len(os.listdir("/run/journal")),
        "erased": sweep.flash.erased, "programmed": sweep.flash.programmed, "most_erased": most,
        "seconds": time.time() - began,
    }))  # fmt: skip


main(*[int(word) for word in sys.argv[1:]])
