"""Records of the journal: how they are built, found and checked, on the board and on the host. See docs/journal.md."""

import struct

from .checksum import crc32

HEAD = "<BBBIII"
"""MARK, length of the whole record, kind, boot, sequence number, seconds since that boot; little-endian."""

SUMMARY = "<IHHHH"
"""Of MINUTE and HOUR: windows, minimum, mean and maximum of their scores, alarms that started."""

UNJUDGED = "<H"
"""Of MINUTE and HOUR, behind SUMMARY, where there were any: windows without a verdict."""

VERDICT = "<IH"
"""Of ALARM and ALARM_END: window, score; after it, of ALARM, reasons as text: quoted-name:contribution,…"""

DRIFT_HEAD = "<8sBBH"
"""Of DRIFT: identity of the commissioned model, 1 in a drift alarm, first feature, score of the drift; behind it half
words with sign: how far the centre of this feature and of those that follow has moved, 1/128 standard deviations."""

MARK = 0xA7
HEAD_SIZE = 15
OVERHEAD = 19  # head and CRC
LONGEST = 150  # so that any record fits one line of the protocol, in base64

BOOT = 1  # a byte, the place of the reset's cause in CAUSES; then text: model identity, blank, version of offbeat
ALARM = 2
ALARM_END = 3
MINUTE = 4
HOUR = 5
CLOCK = 6  # a word: seconds since 1970 (UTC) at the record's uptime, as a host said
DRIFT = 7
KINDS = ("", "boot", "alarm", "alarm_end", "minute", "hour", "clock", "drift")

CAUSES = ("unknown", "power_on", "hard", "watchdog", "deep_sleep", "soft")


def seal(buffer, at, sequence):
    """Number the record that begins at `at` of a bytearray, add its CRC, and return its length."""
    length = buffer[at + 1]
    struct.pack_into("<I", buffer, at + 7, sequence)
    end = at + length - 4
    struct.pack_into("<I", buffer, end, crc32(memoryview(buffer)[at:end]) & 0xFFFFFFFF)
    return length


def whole(buffer, at, end):
    """Length of the record that begins at `at` of a buffer filled up to `end`; 0 where none does."""
    if end - at < OVERHEAD or buffer[at] != MARK:
        return 0
    length = buffer[at + 1]
    if not OVERHEAD <= length <= LONGEST or at + length > end or not 0 < buffer[at + 2] < len(KINDS):
        return 0
    last = at + length - 4
    if crc32(memoryview(buffer)[at:last]) & 0xFFFFFFFF != struct.unpack_from("<I", buffer, last)[0]:
        return 0
    return length
