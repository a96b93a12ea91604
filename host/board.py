"""One connection to a board: lines as they come, and commands that are repeated until they are answered."""

from __future__ import annotations

import base64
import random
import select
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final, Self

import serial

from offbeat.device import link
from offbeat.train.errors import InputError

from .errors import BoardError, Refused, Unplugged
from .hello import Announcement, Hello
from .lines import Line, LineReader, LossCounter, printable
from .opening import open_port

__all__ = ["Board", "BoardError", "Hello", "Line", "Refused", "Unplugged", "printable"]

_REPEATS: Final = 3
_PATIENCE: Final = {
    "SELFTEST": 10.0,
    "RUN": 5.0,
    "BENCH": 5.0,
    "JOURNAL": 3.0,
    "LEARN": 5.0,
    "MODEL": 3.0,
    "UPDATE": 5.0,
}  # seconds until a repeat
_HELLO_PERIOD: Final = 0.5  # seconds; a board that boots hears nothing for a while
_CHUNK: Final = 65536
_KEPT_LINES: Final = 20000
_ANSWERS: Final = ("ACK", "NAK", "RESULT", "HELLO", "HEALTH")


class Board:
    """A board on a serial port; `Board.open` makes one. A context manager.

    hello: what the board said last of itself; lost: lines that are missing in the sequence (damaged ones are among
    them); damaged: lines that came but are not whole; restarts: how often the board began anew; dropped: lines that
    nobody fetched in time; retries: commands sent again; bytes_in, bytes_out: on the wire; on_line: takes the lines
    that come during a command, instead of the queue of `lines` and `read_line`.
    """

    def __init__(self, port: str, baudrate: int, timeout: float) -> None:
        self.port = port
        self.baudrate = baudrate
        self.timeout = timeout
        self.bytes_in = 0
        self.bytes_out = 0
        self.retries = 0
        self.dropped = 0
        self.on_line: Callable[[Line], None] | None = None
        self._hello: Hello | None = None
        self._serial: serial.Serial | None = None
        self._reader = LineReader()
        self._losses = LossCounter()
        self._announcement = Announcement()
        self._queue: deque[Line] = deque()
        self._sequence = random.randrange(1, 1 << 16)  # noqa: S311  so that no answer to an earlier session fits
        self._greeting = -1
        self._greeted = False
        self._said = ""
        self._sent = b""

    @classmethod
    def open(cls, port: str, baudrate: int = 115200, timeout: float = 5.0) -> Self:
        """Open a port and greet the board on it, which may still be booting, for up to ``timeout`` seconds.

        Raises InputError where there is no such port, or it is busy, or not permitted; BoardError where the board
        does not answer; Unplugged where the port vanishes meanwhile.
        """
        board = cls(port, baudrate, timeout)
        board._serial = open_port(port, baudrate, timeout)
        try:
            board._greet(timeout)
        except BaseException:
            board.close()
            raise
        return board

    @property
    def hello(self) -> Hello:
        """What the board said last of itself."""
        if self._hello is None:
            raise BoardError(f"{self.port}: nobody has greeted this board; use Board.open")
        return self._hello

    @property
    def lost(self) -> int:
        """Lines that are missing in the sequence."""
        return self._losses.lost

    @property
    def damaged(self) -> int:
        """Lines that came but are not whole, or too long."""
        return self._reader.damaged

    @property
    def restarts(self) -> int:
        """How often the board began anew while connected."""
        return self._losses.restarts

    def close(self) -> None:
        """Close the port; a second call does nothing."""
        if self._serial is not None:
            self._serial.close()
            self._serial = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read_line(self, timeout: float | None) -> Line | None:
        """The next line, or None when none came within ``timeout`` seconds; None waits for ever.

        CHANNEL lines and answers to our greeting are not among them: they are in ``hello``. Raises Unplugged.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._queue:
            wait = None if deadline is None else max(0.0, deadline - time.monotonic())
            for line in self._receive(wait):
                self._keep(line)
            if not self._queue and deadline is not None and time.monotonic() >= deadline:
                return None
        return self._queue.popleft()

    def lines(self, timeout: float | None = None) -> Iterator[Line]:
        """Lines as they come; ends when none came for ``timeout`` seconds, never without one. Raises Unplugged."""
        while (line := self.read_line(timeout)) is not None:
            yield line

    def command(self, kind: str, **fields: int | str | bytes) -> Line:
        """Send a command and return its answer: the ACK, RESULT, HELLO or HEALTH line with ``re=``.

        fields: bytes are sent as base64, text is quoted. Without an answer the same line goes out up to three
        times more. Raises Refused for a NAK, BoardError without an answer, Unplugged.
        """
        raw = self._encode(kind, fields)
        patience = _PATIENCE.get(kind, 1.0)
        for attempt in range(1 + _REPEATS):
            self.retries += attempt > 0
            self._write(raw)
            answer = self._await(self._sequence, time.monotonic() + patience)
            if answer is not None and answer.kind == "NAK":
                raise Refused(self._refusal(kind, answer.fields.get("why", "")), answer.fields.get("why", ""))
            if answer is not None:
                return answer
        raise BoardError(
            f"{self.port}: no answer to {kind}, sent {1 + _REPEATS} times; is the line noisy, or the board stuck? "
            "Check the cable, or reset the board"
        )

    def reconnect(self, give_up_after: float) -> None:
        """After Unplugged: wait for the port's return, up to ``give_up_after`` seconds, and greet the board again.

        The counts go on. Raises Unplugged where it does not return, BoardError where another board came back.
        """
        before = self.hello
        self.close()
        self._reader.forget()
        deadline = time.monotonic() + give_up_after
        while True:
            try:
                self._serial = open_port(self.port, self.baudrate, self.timeout)
                self._greet(max(_HELLO_PERIOD, min(self.timeout, deadline - time.monotonic())))
                break
            except (InputError, Unplugged) as error:
                self.close()
                if time.monotonic() >= deadline:
                    raise Unplugged(f"{self.port}: not back within {give_up_after:g} s ({error})") from None
                time.sleep(min(0.1, max(0.0, deadline - time.monotonic())))
        if before.unique and self.hello.unique and before.unique != self.hello.unique:
            self.close()
            raise BoardError(
                f"{self.port}: another board came back ({self.hello.unique} instead of {before.unique}); "
                "plug in the first one, or start again with this one"
            )

    def _encode(self, kind: str, fields: dict[str, int | str | bytes]) -> bytes:
        """The line of a command, with the next sequence number; 0 is left out, for a NAK of noise answers 0."""
        self._sequence = self._sequence % 0xFFFF + 1
        pairs = [
            (key, base64.b64encode(value).decode() if isinstance(value, bytes) else link.quote(value))
            for key, value in fields.items()
        ]
        raw = link.encode(kind, self._sequence, pairs)
        longest = self._hello.line if self._hello else link.LONGEST
        if len(raw) - 2 > longest:
            raise InputError(
                f"{kind} takes {len(raw) - 2} bytes, the board takes lines of {longest}; send shorter parts"
            )
        return raw

    def _greet(self, timeout: float) -> None:
        """Say hello until it is answered; everything that came before the answer is of an earlier conversation."""
        raw = self._encode("HELLO", {})
        self._greeting = self._sequence
        self._greeted = False
        self._said = ""
        deadline = time.monotonic() + timeout
        while (now := time.monotonic()) < deadline:
            self._write(raw)
            period = min(deadline, now + _HELLO_PERIOD)
            while (wait := period - time.monotonic()) > 0:
                for line in self._receive(wait):
                    self._keep(line)
                if self._greeted:
                    return
        raise self._silence(timeout)

    def _silence(self, timeout: float) -> BoardError:
        said = self._said
        waited = f"{self.port}: no answer to hello within {timeout:g} s"
        heard = f"; the last it said: {said}" if said else ""
        rest = printable(self._reader.rest.decode(errors="backslashreplace"))
        if rest.endswith(">>> ") or said.startswith(">>> "):
            return BoardError(
                f"{waited}: the board waits at the MicroPython prompt, offbeat does not run; press Ctrl-D there, "
                f"or reset the board{heard}"
            )
        return BoardError(
            f"{waited}; is offbeat running on it? Check main.py, the port and the baud rate ({self.baudrate}){heard}"
        )

    def _refusal(self, kind: str, why: str) -> str:
        reasons = {
            "unknown": f"does not know {kind}; copy the board's files from this version of offbeat again",
            "field": f"finds a field of {kind} missing or out of range",
            "memory": f"has no memory left for {kind}; train with a shorter window, or a model with fewer features",
            "model": "has no model that fits its sensor; push one with its model.beat",
            "window": "has no window to run; send WINDOW first",
            "learn": "is learning; wait for its end, or stop it with `offbeat learn --stop`",
            "signed": "takes signed models only since a key was provisioned, so that it neither learns nor adapts when "
            "asked over the line; push a model, or say learn=True in its main.py",
            "evidence": "keeps none; it needs a model that fits its sensor, memory, and evidence= in its main.py not 0",
            "gone": "no longer has the frames of that alarm, another one took their place; ask again",
        }
        return f"{self.port}: the board refuses {kind}: it {reasons.get(why, f'says {why!r}')}"

    def _await(self, sequence: int, deadline: float) -> Line | None:
        """The answer to a command; None when it is late, or when the board heard a damaged line."""
        found: Line | None = None
        heard_noise = False
        while found is None and not heard_noise and (wait := deadline - time.monotonic()) > 0:
            for line in self._receive(wait):
                answers = line.fields.get("re") if line.kind in _ANSWERS else None
                if found is None and answers == str(sequence):
                    found = line
                elif answers == "0" and line.kind == "NAK":
                    heard_noise = True
                elif self.on_line is not None:
                    self.on_line(line)
                else:
                    self._keep(line)
        return found

    def _keep(self, line: Line) -> None:
        if len(self._queue) >= _KEPT_LINES:
            self._queue.popleft()
            self.dropped += 1
        self._queue.append(line)

    def _receive(self, wait: float | None) -> list[Line]:
        """Lines that one chunk of input completes, after at most ``wait`` seconds."""
        if self._serial is None:
            raise Unplugged(f"{self.port}: the port is closed; reconnect first")
        try:
            if not select.select([self._serial.fileno()], [], [], wait)[0]:
                return []
            data = self._serial.read(_CHUNK)
        except (OSError, ValueError) as error:
            raise self._unplugged() from error
        self.bytes_in += len(data)
        return [line for line in self._reader.feed(data) if self._notice(line)]

    def _notice(self, line: Line) -> bool:
        """Follow the board's numbering and its announcements; False for a line that is nobody else's matter."""
        if not line.kind:
            self._said = line.text
            return self._greeted
        if line.text.encode() == self._sent.strip():  # an echo: of a prompt, or of a terminal that is not raw
            return False
        if self._greeted:
            self._losses.see(line.kind, line.sequence, line.fields)
        if line.kind == "CHANNEL":
            self._announcement.take(line)
            return False
        if line.kind != "HELLO":
            return self._greeted
        hello = self._announcement.take(line)
        self._hello = hello or self._hello
        answers_greeting = line.fields.get("re") == str(self._greeting)
        if answers_greeting and hello is not None and not self._greeted:
            self._greeted = True
            self._losses.start_after(line.sequence)
        return self._greeted and not answers_greeting

    def _write(self, raw: bytes) -> None:
        if self._serial is None:
            raise Unplugged(f"{self.port}: the port is closed; reconnect first")
        self._sent = raw
        try:
            self._serial.write(raw)
        except serial.SerialTimeoutException:
            raise BoardError(
                f"{self.port}: the board takes no input for {self.timeout:g} s; it is stuck, reset it"
            ) from None
        except OSError as error:
            raise self._unplugged() from error
        self.bytes_out += len(raw)

    def _unplugged(self) -> Unplugged:
        self.close()
        return Unplugged(f"{self.port}: the port vanished while it was in use; plug the board in again")
