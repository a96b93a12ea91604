"""The firmware's lines, compiled here, against the line protocol: the same out, and the same verdict on lines in."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
import zlib
from base64 import b64decode, b64encode

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from offbeat.device import link
from offbeat.train.resources import folder

FLAGS = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-pedantic", "-Werror", "-fsanitize=undefined")
FLAGS += ("-fsanitize-undefined-trap-on-error",)  # without a runtime library to link
FILES = ("line_in.c", "line_out.c", "checksum.c")
WRAPPER = """
#include <string.h>
#include "board.h"
#include "line.h"
char sent[1024];
int sent_length;
void board_write(uint8_t byte) { sent[sent_length] = (char)byte; sent_length++; }
static char text[LINE_LONGEST + 1U];
static command_line found;
int take(const char *line, int length)
{
    memcpy(text, line, (size_t)length);
    return (int)line_parse(text, (uint16_t)length, &found);
}
const char *kind(void) { return found.kind; }
int sequence(void) { return found.sequence; }
int count(void) { return found.count; }
const char *value(const char *key) { return line_field(&found, key); }
int number_of(const char *key, uint32_t most, uint32_t *result)
{ return line_field_number(&found, key, most, result); }
"""
VERDICTS = {0: "ok", 1: None, 2: "form", 3: "crc"}
PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)
KEYS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=6)
PLAIN = st.text("ABCxyz019_.,:/+-%", max_size=30)


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    compiler = [shutil.which("cc")] if shutil.which("cc") else [sys.executable, "-m", "ziglang", "cc"]
    directory = tmp_path_factory.mktemp("lines")
    (directory / "wrapper.c").write_text(WRAPPER)
    sources = [str(folder("firmware") / name) for name in FILES]
    library = directory / "lines.so"
    command = [*compiler, *FLAGS, "-shared", "-fPIC", f"-I{folder('firmware')}", *sources, "wrapper.c", "-o", library]
    subprocess.run(command, check=True, cwd=directory)
    loaded = ctypes.CDLL(str(library))
    loaded.kind.restype = loaded.value.restype = ctypes.c_char_p
    return loaded


def taken(lines: ctypes.CDLL, line: bytes) -> object:
    """What the firmware says of a line, as parsed() says it."""
    verdict = VERDICTS[lines.take(line, len(line))]
    if verdict != "ok":
        return verdict
    return lines.kind().decode(), lines.sequence()


def parsed(line: bytes) -> object:
    """What the board's own parser says of a line: kind and number, None for a foreign one, or why it is refused."""
    try:
        found = link.parse(line)
    except link.LineError as error:
        return error.reason
    return None if found is None else found[:2]


def sealed(body: bytes) -> bytes:
    return b"~%s *%08x" % (body, zlib.crc32(body))


@settings(max_examples=300)
@given(PRINTABLE)
@example("K 1 a=b a=c  d=")
@example("K 1 =b")
@example("K 99999999999999999999999 a=1")
@example(" K  7 ")
@example("K")
def test_same_verdict_on_bodies_with_a_right_checksum(lines: ctypes.CDLL, body: str) -> None:
    line = sealed(body.encode())
    assert taken(lines, line) == parsed(line)
    found = None
    try:
        found = link.parse(line)
    except link.LineError:
        return
    assert found is not None
    for key, value in found[2].items():
        assert lines.value(key.encode()) == value.encode()


@settings(max_examples=300)
@given(st.binary(max_size=80), st.booleans())
@example(b"~K 0 *00000000", False)
def test_same_verdict_on_anything(lines: ctypes.CDLL, line: bytes, marked: bool) -> None:
    line = b"~" + line if marked else line
    assert taken(lines, line) == parsed(line)


@settings(max_examples=200)
@given(PRINTABLE, st.integers(0, 1 << 30), st.integers(0, 255))
def test_damage_is_seen(lines: ctypes.CDLL, body: str, at: int, byte: int) -> None:
    whole = bytearray(sealed(f"K 1 a={body.replace(' ', '')}".encode()))
    whole[at % len(whole)] = byte
    assert taken(lines, bytes(whole)) == parsed(bytes(whole))


@settings(max_examples=200)
@given(st.lists(st.tuples(KEYS, st.one_of(PLAIN, st.integers(-(1 << 31), (1 << 31) - 1))), max_size=6))
def test_lines_out_are_the_protocols(lines: ctypes.CDLL, fields: list[tuple[str, str | int]]) -> None:
    ctypes.c_int.in_dll(lines, "sent_length").value = 0
    lines.line_begin(b"KIND")
    for key, value in fields:
        if isinstance(value, int):
            lines.line_number(key.encode(), value)
        else:
            assert lines.line_text(key.encode(), value.encode())
    lines.line_end()
    length = ctypes.c_int.in_dll(lines, "sent_length").value
    sent = (ctypes.c_char * 1024).in_dll(lines, "sent").raw[:length]
    found = link.parse(sent.removesuffix(b"\r\n"))
    assert found is not None
    assert sent == link.encode("KIND", found[1], fields)


def test_a_line_out_never_passes_its_limit(lines: ctypes.CDLL) -> None:
    ctypes.c_int.in_dll(lines, "sent_length").value = 0
    lines.line_begin(b"KIND")
    for i in range(100):
        lines.line_number(b"key", -(1 << 31) + i)
        lines.line_text(b"text", b"x" * 20)
        lines.line_more(b",", b"y" * 20)
    lines.line_end()
    length = ctypes.c_int.in_dll(lines, "sent_length").value
    sent = (ctypes.c_char * 1024).in_dll(lines, "sent").raw[:length]
    assert length <= link.LONGEST + 2
    assert link.parse(sent.removesuffix(b"\r\n")) is not None


@given(st.binary(max_size=100))
def test_base64_both_ways(lines: ctypes.CDLL, data: bytes) -> None:
    ctypes.c_int.in_dll(lines, "sent_length").value = 0
    lines.line_begin(b"KIND")
    lines.line_base64(b"d", data, len(data))
    lines.line_end()
    length = ctypes.c_int.in_dll(lines, "sent_length").value
    sent = (ctypes.c_char * 1024).in_dll(lines, "sent").raw[:length]
    found = link.parse(sent.removesuffix(b"\r\n"))
    assert found is not None and b64decode(found[2]["d"], validate=True) == data
    room = ctypes.create_string_buffer(len(data) + 1)
    assert lines.base64_decode(b64encode(data), room, len(data)) == len(data)
    assert room.raw[: len(data)] == data
    if data:
        assert lines.base64_decode(b64encode(data), room, len(data) - 1) == -1


@pytest.mark.parametrize("text", [b"A", b"AB", b"ABC", b"AB=C", b"=", b"A===", b"AB?=", b"A B="])
def test_what_is_not_base64_is_refused(lines: ctypes.CDLL, text: bytes) -> None:
    assert lines.base64_decode(text, ctypes.create_string_buffer(16), 16) == -1


@pytest.mark.parametrize(
    ("text", "most", "value"),
    [("0", 0, 0), ("10", 9, None), ("9", 9, 9), ("4294967295", 0xFFFFFFFF, 0xFFFFFFFF),
     ("4294967296", 0xFFFFFFFF, None),
     ("-1", 9, None), ("", 9, None), ("1x", 99, None), ("007", 7, 7)],
)  # fmt: skip
def test_numbers_of_fields(lines: ctypes.CDLL, text: str, most: int, value: int | None) -> None:
    assert taken(lines, sealed(f"K 1 a={text}".encode())) == ("K", 1)
    result = ctypes.c_uint32(12345)
    found = lines.number_of(b"a", ctypes.c_uint32(most), ctypes.byref(result))
    assert (result.value if found else None) == value
