"""An append-only log in a bounded number of files, that survives power loss at any instant. See docs/journal.md.

Bytes once written are never changed. What a power cut left of a record fails its CRC and is passed over; the next
record follows it. The oldest file is removed to make room.
"""

import os
import struct

from .checksum import crc32
from .records import BOOT, LONGEST, OVERHEAD, whole

SIZE = 4096
"""Bytes of a segment at most: a block of littlefs, so that an append copies, and erases, one block of data."""

_HEAD = "<4s4sII"  # what it is, owner, identity of the log as a number, sequence number from which it goes on
_HEAD_SIZE = 20  # with its CRC
_WHAT = b"OBJ1"
_NUMBERS = 1000000
_FILE = 0x8000
_NO_SPACE = 28  # ENOSPC, in every port
_MOST_IN_A_SEGMENT = SIZE // OVERHEAD + 1
_HIGHEST = 0x3FFFFFFF


class SegmentLog:
    """Numbered records in files `directory`/`letter`000000, 000001, and so on, at most `limit` of them.

    owner: 4 bytes that name the board: files with another owner are left alone, as is everything else that is not
    ours; buffer: bytearray for reading, of two records at least. identity: a number made at random with the log's
    first file; next: number of the record that comes next; boot: of the last record, 0 without one; boots: how many
    BOOT records stand at the end in a row; ready: what is on flash is known.
    """

    def __init__(self, directory, letter, owner, limit, buffer):
        self.directory = directory
        self.letter = letter
        self.limit = max(limit, 2)
        self.identity = 0
        self.next = 1
        self.boot = 0
        self.boots = 0
        self.ready = False
        self._owner = owner
        self._buffer = buffer
        self._numbers = []  # of the files, oldest first
        self._firsts = []  # sequence number from which each goes on
        self._size = 0  # of the newest
        self._cursor = (0, 0, 0)  # sequence, file, offset: where the last read() ended

    @property
    def oldest(self):
        """Number from which on there may be records."""
        return self._firsts[0] if self._firsts else self.next

    def recover(self):
        """Learn from the files what is there. Raises OSError where the file system fails."""
        self.ready = False
        self._cursor = (0, 0, 0)
        found = self._find()
        self.identity = found[-1][2] if found else struct.unpack("<I", os.urandom(4))[0]
        found = [entry for entry in found if entry[2] == self.identity]
        self._firsts = [entry[0] for entry in found]
        self._numbers = [entry[1] for entry in found]
        self.next = self._firsts[-1] if found else 1
        self._size = os.stat(self._path(self._numbers[-1]))[6] if found else 0
        self.boot = self.boots = 0
        for i in range(len(found) - 1, -1, -1):
            if self._look_at_end(i):
                break
        if found:
            # A file that should be ours, but has no readable head: the numbers it may hold are not given out again.
            number = (self._numbers[-1] + 1) % _NUMBERS
            while self._taken(number):
                self.next += _MOST_IN_A_SEGMENT
                self._size = SIZE  # the next record begins a file, beyond that one
                number = (number + 1) % _NUMBERS
        self.ready = True

    def append(self, data, first, count):
        """Write `count` whole records, numbered from `first` on; they are on flash when this returns.

        Raises OSError, after which recover() tells what was written.
        """
        if not self.ready:
            self.recover()
        self.ready = False
        try:
            self._write(data, first)
        except OSError as error:
            if error.errno != _NO_SPACE or len(self._numbers) < 2:
                raise
            self._drop()  # what others have taken of the flash makes the log shorter
            self.recover()
            self.ready = False
            self._write(data, first)
        self.next = first + count
        self.ready = True

    def read(self, sequence, room):
        """Whole records from `sequence` on, at most `room` bytes of one file; returns (bytes, number to go on with).

        That number is `sequence` itself where nothing follows. Raises OSError.
        """
        found = bytearray()
        sequence = max(sequence, self.oldest)
        i = len(self._firsts) - 1
        while i > 0 and self._firsts[i] > sequence:
            i -= 1
        if i < 0 or sequence >= self.next:
            return found, sequence
        offset = _HEAD_SIZE
        if self._cursor[0] == sequence and self._cursor[1] == self._numbers[i]:
            offset = self._cursor[2]
        ended = True
        records = self._each(i, offset, sequence - 1)
        for offset, start, length in records:
            if len(found) + length > room:
                ended = False
                break
            found += memoryview(self._buffer)[start : start + length]
            offset += length
            sequence = self._sequence(start) + 1
        records.close()  # and the file with it
        if ended and i + 1 < len(self._firsts):
            return found, self._firsts[i + 1]
        self._cursor = (sequence, self._numbers[i], offset)
        return found, sequence

    def _find(self):
        """(first sequence number, number of the file, identity) of each file of ours, oldest first."""
        try:
            os.mkdir(self.directory)
        except OSError:
            pass  # it is there, or the next line says why not
        found, remains = [], []
        for entry in os.ilistdir(self.directory):
            digits = entry[0][1:]
            if entry[1] != _FILE or entry[0][:1] != self.letter or len(digits) != 6 or not digits.isdigit():
                continue
            head = self._head(int(digits))
            if head is None:
                continue
            if len(head) == _HEAD_SIZE:
                what, owner, identity, first = struct.unpack_from(_HEAD, head, 0)
                sound = crc32(head[:-4]) & 0xFFFFFFFF == struct.unpack("<I", head[-4:])[0]
                if sound and what == _WHAT and owner == self._owner and first <= _HIGHEST:
                    found.append((first, int(digits), identity))
            elif _WHAT[: len(head)] == head[:4]:
                remains.append(int(digits))  # a power cut left it at the very beginning
        for number in remains:
            os.remove(self._path(number))
        found.sort()
        return found

    def _head(self, number):
        """The first bytes of a file; None where it cannot be read."""
        try:
            with open(self._path(number), "rb") as file:
                return file.read(_HEAD_SIZE)
        except OSError:
            return None

    def _look_at_end(self, i):
        """Follow the records of file `i` to its last one; False where it has none."""
        for _, start, _ in self._each(i, _HEAD_SIZE, self._firsts[i] - 1):
            self.next = max(self.next, self._sequence(start) + 1)
            self.boot = struct.unpack_from("<I", self._buffer, start + 3)[0]
            self.boots = self.boots + 1 if self._buffer[start + 2] == BOOT else 0
        return self.boot > 0

    def _each(self, i, offset, after):
        """Yield (offset in the file, place in the buffer, length) of each whole record of file `i` from `offset` on.

        Numbers must rise, from above `after` to below those of the next file: what is left of an older life of the
        flash is none of ours, however whole.
        """
        buffer = self._buffer
        view = memoryview(buffer)
        below = self._firsts[i + 1] if i + 1 < len(self._firsts) else _HIGHEST
        with open(self._path(self._numbers[i]), "rb") as file:
            file.seek(offset)
            at = have = 0
            ended = False
            while True:
                if have - at < LONGEST and not ended:
                    buffer[: have - at] = buffer[at:have]
                    offset += at
                    have -= at
                    at = 0
                    got = file.readinto(view[have:])
                    ended = not got
                    have += got
                    continue
                if have - at < OVERHEAD:
                    return
                length = whole(buffer, at, have)
                if length and after < self._sequence(at) < below:
                    after = self._sequence(at)
                    yield offset + at, at, length
                at += length or 1

    def _sequence(self, start):
        return struct.unpack_from("<I", self._buffer, start + 7)[0]

    def _write(self, data, first):
        if self._numbers and self._size + len(data) <= SIZE:
            self._put(self._numbers[-1], "ab", data)
            self._size += len(data)
            return
        while len(self._numbers) >= self.limit:
            self._drop()
        number = (self._numbers[-1] + 1) % _NUMBERS if self._numbers else 0
        while self._taken(number):
            number = (number + 1) % _NUMBERS
        head = struct.pack(_HEAD, _WHAT, self._owner, self.identity, first)
        head += struct.pack("<I", crc32(head) & 0xFFFFFFFF)
        self._put(number, "wb", head + bytes(data))
        self._numbers.append(number)
        self._firsts.append(first)
        self._size = len(head) + len(data)

    def _put(self, number, mode, data):
        with open(self._path(number), mode) as file:
            if file.write(data) != len(data):
                raise OSError(_NO_SPACE)
        if hasattr(os, "sync"):
            os.sync()  # ports that hold back what is written to their flash

    def _drop(self):
        """Remove the oldest file."""
        os.remove(self._path(self._numbers[0]))
        del self._numbers[0], self._firsts[0]
        self._cursor = (0, 0, 0)

    def _taken(self, number):
        try:
            os.stat(self._path(number))
        except OSError:
            return False
        return True

    def _path(self, number):
        return "%s/%s%06d" % (self.directory, self.letter, number)
