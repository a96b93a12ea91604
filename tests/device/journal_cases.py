"""Runs under MicroPython: what the journal does on littlefs that is full, failing, worn, or full of other things.

micropython journal_cases.py NAME runs one case; it prints what was measured as JSON, or ends with a traceback.
"""

import gc
import json
import os
import struct
import sys
from array import array

from flash import BLOCK, Flash

from offbeat import journal as journal_module
from offbeat.journal import Journal, Summary, limits_for, open_journal, reset_cause
from offbeat.records import CAUSES, HEAD, KINDS, MARK, MINUTE, OVERHEAD, SUMMARY, UNJUDGED, VERDICT, seal, whole
from offbeat.segments import SIZE, SegmentLog

NAMES = [b"x.rms", b"y.band", b"unseen%20channel%20z" * 4]
INDICES = array("h", [0, 1, 2])
VALUES = array("i", [300, 7, 32767])


def mounted(blocks=40):
    flash = Flash(blocks)
    flash.format()
    flash.mount("/f")
    return flash


def remount(flash):
    os.umount("/f")
    flash.fails = -1
    flash.mount("/f")


def log_at(directory="/f/j", limit=3, owner=b"mine", letter="m"):
    log = SegmentLog(directory, letter, owner, limit, bytearray(600))
    log.recover()
    return log


def record(sequence, size=12, boot=1):
    data = bytearray(OVERHEAD + size)
    struct.pack_into(HEAD, data, 0, MARK, len(data), MINUTE, boot, 0, sequence)
    for i in range(size):
        data[15 + i] = (sequence + i) & 0xFF
    seal(data, 0, sequence)
    return bytes(data)


def fill(log, count, size=12):
    for _ in range(count):
        log.append(record(log.next, size), log.next, 1)


def records_of(log, sequence=0):
    """(number, kind, boot, uptime, payload) of all records, as a host would get them."""
    found = []
    while True:
        data, following = log.read(sequence, 150)
        at = 0
        while at < len(data):
            length = whole(data, at, len(data))
            assert length
            _, _, kind, boot, number, uptime = struct.unpack_from(HEAD, data, at)
            found.append((number, KINDS[kind], boot, uptime, bytes(data[at + 15 : at + length - 4])))
            at += length
        if following == sequence:
            return found
        sequence = following


def numbers_of(log):
    return [entry[0] for entry in records_of(log)]


def content(path):
    with open(path, "rb") as file:
        return file.read()


def put(path, data):
    with open(path, "wb") as file:
        file.write(data)


def a_bounded_ring_goes_round():
    mounted()
    log = log_at()
    for _ in range(40):
        fill(log, 50)
        sizes = [os.stat("/f/j/" + name)[6] for name in os.listdir("/f/j")]
        assert len(sizes) <= 3 and max(sizes) <= SIZE, sizes
        assert numbers_of(log) == list(range(log.oldest, log.next)), "no gap, and nothing twice"
    assert log.next == 2001 and 2 * (SIZE - 20) // 31 < log.next - log.oldest <= 3 * (SIZE - 20) // 31
    again = log_at()
    assert (again.oldest, again.next, again.identity) == (log.oldest, 2001, log.identity)
    assert records_of(again) == records_of(log)
    assert numbers_of(again)[-1] == 2000 and not again.read(2001, 150)[0]


def a_torn_end_is_passed_over():
    mounted()
    log = log_at()
    fill(log, 5)
    path = "/f/j/m000000"
    good = content(path)
    torn = record(6, 100)
    for length in range(1, len(torn)):
        put(path, good + torn[:length])
        log = log_at()
        assert log.next == 6
        fill(log, 2)
        assert numbers_of(log_at()) == [1, 2, 3, 4, 5, 6, 7]
        assert records_of(log)[5][4] == record(6)[15:-4]


def garbage_in_the_middle_costs_what_it_covers():
    mounted()
    log = log_at()
    fill(log, 300)
    path = "/f/j/m000001"
    good = content(path)
    firsts = list(numbers_of(log))
    for at in (20, 25, 700, 2000, len(good) - 3):
        for width in (1, 31, 500):
            bad = good[:at] + bytes([(7 * i) & 0xFF for i in range(width)]) + good[at + width :]
            put(path, bad[: len(good)])
            found = numbers_of(log_at())
            missing = [n for n in firsts if n not in found]
            assert len(missing) <= width // 31 + 2 and found == sorted(found), (at, width, missing)
            assert [n for n in found if n not in firsts] == []


def an_older_life_of_the_flash_does_not_come_back():
    mounted()
    log = log_at()
    fill(log, 3)
    put("/f/j/m000000", content("/f/j/m000000") + record(2) + record(1) + record(3))
    log = log_at()
    assert log.next == 4
    fill(log, 1)
    found = records_of(log)
    assert [entry[0] for entry in found] == [1, 2, 3, 4]


def what_is_not_ours_is_left_alone():
    mounted()
    os.mkdir("/f/j")
    put("/f/j/m000000", b"a shopping list, and a long one")
    os.mkdir("/f/j/m000001")
    put("/f/j/notes.txt", b"m")
    put("/f/j/m00000x", b"m")
    put("/f/j/m999999", b"\xff" * 5000)
    other = log_at("/f/o", owner=b"his!")
    fill(other, 4)
    put("/f/j/m000002", content("/f/o/m000000"))
    before = [(name, content("/f/j/" + name)) for name in os.listdir("/f/j") if name != "m000001"]
    log = log_at()
    assert log.next == 1 and not log.read(0, 150)[0]
    fill(log, 600)
    log = log_at()
    assert log.oldest > 1 and log.next == 601 and numbers_of(log) == list(range(log.oldest, 601))
    for name, data in before:
        assert content("/f/j/" + name) == data, name
    assert os.stat("/f/j/m000001")[0] == 0x4000


def what_a_cut_left_at_the_very_beginning_is_removed():
    mounted()
    log = log_at()
    fill(log, 200)
    for length in (0, 1, 3, 4, 19):
        put("/f/j/m000002", content("/f/j/m000001")[:length])
        log = log_at()
        assert "m000002" not in os.listdir("/f/j") and log.next == 201


def numbers_of_an_unreadable_file_are_not_given_again():
    mounted()
    log = log_at(limit=4)
    fill(log, 300)
    last = log.next - 1
    name = "/f/j/" + sorted(os.listdir("/f/j"))[-1]
    put(name, b"\0" * 20 + content(name)[20:])
    log = log_at(limit=4)
    assert log.next > last
    first = log.next
    fill(log, 200)
    log = log_at(limit=4)
    assert log.next == first + 200 and numbers_of(log)[-200:] == list(range(first, first + 200))


def a_new_flash_has_another_identity():
    mounted()
    identities = []
    for _ in range(5):
        log = log_at()
        fill(log, 3)
        identities.append(log.identity)
        for name in os.listdir("/f/j"):
            os.remove("/f/j/" + name)
    assert len(set(identities)) == 5


def scores(count, seed=1):
    state = seed
    for _ in range(count):
        state = (state * 8121 + 28411) % 134456
        yield state & 0x7FFF


def summary(payload):
    without = struct.unpack_from(UNJUDGED, payload, 12)[0] if len(payload) > 12 else 0
    numbers = list(struct.unpack_from(SUMMARY, payload, 0))
    numbers.append(without)
    return tuple(numbers)


def summaries_are_right():
    mounted()
    kept = Journal("/f/j", "me", (2, 16))
    minutes, hours, hour, unjudged = [], [], [], 0
    for minute in range(130):
        values = list(scores(minute % 7, minute + 1))
        for value in values:
            kept.minute.add(value)
        for _ in range(minute % 14 * 3):
            kept.minute.skip()
        if minute == 5:
            kept.alarm(minute * 60 + 20, 1, 300, 1, INDICES, VALUES, NAMES)
        if values:
            minutes.append((len(values), min(values), (sum(values) + len(values) // 2) // len(values), max(values),
                            int(minute == 5), minute % 14 * 3))  # fmt: skip
        elif minute % 14:
            minutes.append((0, 0, 0, 0, 0, minute % 14 * 3))
        hour += values
        unjudged += minute % 14 * 3
        if minute % 60 == 59:
            hours.append((len(hour), min(hour), (sum(hour) + len(hour) // 2) // len(hour), max(hour), int(minute < 60),
                          unjudged))  # fmt: skip
            hour, unjudged = [], 0
        kept.step(minute * 60 + 59)
        kept.step(minute * 60 + 60)
    found = records_of(kept.minutes.log)
    assert [summary(entry[4]) for entry in found] == minutes
    assert {entry[1] for entry in found} == {"minute"} and found[0][3] == 120
    events = records_of(kept.events.log)
    assert [entry[1] for entry in events] == ["boot", "alarm", "hour", "hour"]
    assert [summary(entry[4]) for entry in events[2:]] == hours


def sums_stay_small():
    hour = Summary()
    for _minute in range(60):
        one = Summary()
        for _ in range(2000):
            one.add(32767)
        hour.merge(one)
        assert max(one.low, one.high, one.count) < 1 << 30
    assert (hour.count, hour.least, hour.most, hour.mean()) == (120000, 32767, 32767, 32767)
    hour.high, hour.low, hour.count = 0x3FFFFFFF, 0, 0x3FFFFFFF
    assert hour.mean() == 32768


def noting_allocates_nothing():
    mounted()
    kept = Journal("/f/j", "me", (2, 2))
    summary = kept.minute
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    for score in range(0, 32000, 3):
        summary.add(score)
    for i in range(20):  # the last ones find no room
        kept.alarm(i, i, 300, 3, INDICES, VALUES, NAMES)
        kept.alarm_end(i, i, 3)
    noted = gc.mem_alloc()
    kept.step(30)  # an alarm is due
    written = gc.mem_alloc()
    kept.step(31)  # nothing is due
    idle = gc.mem_alloc()
    gc.enable()
    assert kept.dropped > 0 and kept.events.waiting == 0
    assert (noted - before, idle - written) == (0, 0), (noted - before, idle - written)
    return {"heap_of_a_write": written - noted}


def alarms_are_whole():
    mounted()
    kept = Journal("/f/j", "me", (4, 2), 3, "abcd 0.1.0")
    kept.alarm(7, 1073741823, 32766, 3, INDICES, VALUES, NAMES)
    kept.alarm_end(8, 2, 3)
    kept.step(9)
    boot, start, end = records_of(kept.events.log)
    assert boot == (1, "boot", 1, 0, b"\x03abcd 0.1.0") and CAUSES[3] == "watchdog"
    assert start[:4] == (2, "alarm", 1, 7) and struct.unpack_from(VERDICT, start[4]) == (1073741823, 32766)
    assert start[4][6:] == b"x.rms:300,y.band:7," + NAMES[2] + b":32767"
    assert end == (3, "alarm_end", 1, 8, struct.pack(VERDICT, 2, 3))
    long = [b"n" * 100, b"m" * 100]
    kept.alarm(20, 1, 2, 2, INDICES, VALUES, long)
    kept.alarm(20, 1, 2, 1, INDICES, VALUES, [b"n" * 200])
    kept.step(60)
    assert [entry[4][6:] for entry in records_of(kept.events.log)[3:]] == [b"n" * 100 + b":300", b""]


def resets_are_counted_and_a_boot_loop_wears_nothing():
    flash = mounted()
    erased = []
    for _boot in range(1, 31):
        before = flash.erased
        kept = Journal("/f/j", "me", (4, 4))
        erased.append(flash.erased - before)
    assert kept.boot == 9, "eight were written at once, the later ones never lasted a minute"
    assert max(erased[8:]) == 0
    kept.step(60)
    found = records_of(kept.events.log)
    assert [entry[2] for entry in found] == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    kept.minute.add(5)
    for hour in range(1, 3):
        kept.step(3600 * hour)
    kept = Journal("/f/j", "me", (4, 4))
    assert kept.boot == 10 and kept.events.waiting == 0
    os.remove("/f/j/" + next(name for name in os.listdir("/f/j") if name[0] == "e"))
    assert Journal("/f/j", "me", (4, 4)).boot >= 10, "minutes know it too"


def hours_pass(kept, hours, alarms_a_minute):
    for second in range(3600 * hours + 1):
        if second % 10 == 0:
            kept.minute.add(second & 0xFF)
        if alarms_a_minute and second % (60 // alarms_a_minute) == 0:
            kept.alarm(second, second, 300, 2, INDICES, VALUES, NAMES)
            kept.alarm_end(second, second, 3)
        kept.step(second)


def wear_is_bounded(hours=1):
    """Wear of a Raspberry Pi Pico's file system, 352 blocks, both rings full: quiet, and with an alarm each second."""
    result = {"hours": hours}
    for name, alarms in (("quiet", 0), ("alarms", 60)):
        flash = mounted(352)
        kept = Journal("/f/j", "me", limits_for(352 * BLOCK))
        assert (kept.events.log.limit, kept.minutes.log.limit) == (16, 64)
        for log in (kept.events.log, kept.minutes.log):
            for _i in range(log.limit * 4):
                first = log.next
                log.append(b"".join([record(first + n, 131) for n in range(6)]), first, 6)
        flash.erased = flash.programmed = 0
        flash.wear = [0] * flash.blocks
        hours_pass(kept, hours, alarms)
        writes = 60 * hours + (360 if alarms else 1) * hours + 1
        result[name] = {
            "writes": writes, "erased": flash.erased, "programmed": flash.programmed, "worst": max(flash.wear),
            "blocks": sum([wear > 0 for wear in flash.wear]), "failed": kept.failed, "dropped": kept.dropped,
        }  # fmt: skip
        assert flash.erased < 1.2 * writes, result
        assert len(os.listdir("/f/j")) == 80 and not kept.failed
        os.umount("/f")
    return result


def fill_the_flash(other):
    """With a file that is none of the journal's, at this path."""
    with open(other, "wb") as file:
        try:
            while True:
                file.write(b"x" * BLOCK)
                file.flush()
        except OSError:
            pass


def a_full_flash_costs_a_count():
    flash = mounted(30)
    kept = Journal("/f/j", "me", (4, 4))
    fill_the_flash("/f/other")
    for minute in range(1, 30):
        kept.minute.add(minute)
        kept.step(60 * minute)
    assert kept.failed > 0, "no room at all"
    assert kept.dropped > 0 and len(kept.minutes.pending) < 400
    os.remove("/f/other")
    for minute in range(30, 33):
        kept.minute.add(minute)
        kept.step(60 * minute)
    found = [struct.unpack(SUMMARY, entry[4])[1] for entry in records_of(kept.minutes.log)]
    assert found[-2:] == [31, 32] and found[:-2] == list(range(1, len(found) - 1)), "what waited, and what came later"
    remount(flash)
    assert Journal("/f/j", "me", (4, 4)).boot == 2


def a_full_flash_shortens_the_log():
    mounted(30)
    log = log_at(limit=12)
    fill(log, 900)
    oldest = log.oldest
    fill_the_flash("/f/other")
    fill(log, 300)
    assert log.oldest > oldest and numbers_of(log) == list(range(log.oldest, 1201))


def flash_that_fails_at_any_operation_never_stops_it():
    failed = 0
    for count in range(60):
        flash = mounted(30)
        flash.forgiving = True  # after an error, littlefs tries the same place again, and reads what came of it
        kept = Journal("/f/j", "me", (4, 4))
        for minute in range(1, 8):
            if minute == 3:
                flash.fails = count
            elif minute == 5:
                flash.fails = -1
            kept.minute.add(minute)
            kept.alarm_end(60 * minute - 1, minute, 0)
            kept.step(60 * minute)
        failed += kept.failed
        kept.step(60 * 8)
        remount(flash)
        again = Journal("/f/j", "me", (4, 4))
        found = records_of(again.minutes.log)
        assert [struct.unpack(SUMMARY, entry[4])[1] for entry in found] == [1, 2, 3, 4, 5, 6, 7], (count, found)
        assert [entry[0] for entry in found] == [1, 2, 3, 4, 5, 6, 7]
        ended = [struct.unpack(VERDICT, e[4])[0] for e in records_of(again.events.log) if e[1] == "alarm_end"]
        assert ended == [1, 2, 3, 4, 5, 6, 7], count
        os.umount("/f")
    assert failed > 20, failed
    return {"failed": failed}


def flash_that_fails_from_the_start_is_counted():
    flash = mounted(30)
    flash.fails = 0
    kept = Journal("/f/j", "me", (4, 4))
    assert kept.failed > 0
    kept.minute.add(3)
    kept.step(60)
    flash.fails = -1
    kept.step(120)
    assert [entry[1] for entry in records_of(kept.events.log)] == ["boot"]
    assert [entry[1] for entry in records_of(kept.minutes.log)] == ["minute"]


def a_clock_is_noted_once_a_boot_and_day():
    mounted()
    kept = Journal("/f/j", "me", (4, 4))
    for second in (5, 20, 86404, 86405, 90000):
        kept.clock(second, 1_800_000_000 + second)
        kept.step(second + 20)
    found = [entry for entry in records_of(kept.events.log) if entry[1] == "clock"]
    assert [(entry[3], struct.unpack("<I", entry[4])[0]) for entry in found] == [
        (5, 1_800_000_005), (86405, 1_800_086_405),
    ]  # fmt: skip


def a_file_system_decides_how_much():
    assert limits_for(352 * BLOCK) == (16, 64)
    assert limits_for(64 * BLOCK) == (4, 12)
    assert limits_for(12 * BLOCK) == (2, 2)
    for blocks in (12, 30, 64, 352, 4096):
        assert sum(limits_for(blocks * BLOCK)) <= max(blocks // 4, 5)
    mounted(30)
    os.chdir("/f")
    assert open_journal("journal", "me").minutes.log.limit == 5
    os.chdir("/")
    real, journal_module.os = os, object()
    assert open_journal("journal", "me") is None, "no file system"
    journal_module.os = real


def causes_of_a_reset():
    class Machine:
        PWRON_RESET, WDT_RESET, SOFT_RESET = 1, 3, 5

        def __init__(self, cause):
            self.reset_cause = lambda: cause

    found = []
    for cause in (1, 3, 5, 77):
        sys.modules["machine"] = Machine(cause)
        found.append(CAUSES[reset_cause()])
    assert found == ["power_on", "watchdog", "soft", "unknown"]
    sys.modules["machine"] = object()
    assert reset_cause() == 0


print(json.dumps(globals()[sys.argv[1]](*[int(word) for word in sys.argv[2:]])))
