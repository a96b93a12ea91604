"""MicroPython's prompt on a serial port, through mpremote's own transport."""

from __future__ import annotations

import contextlib
import io
import json
import struct
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final, Self

import serial
from mpremote.transport import TransportError, TransportExecError
from mpremote.transport_serial import SerialTransport

from offbeat.host.errors import BoardError, Unplugged
from offbeat.host.lines import printable
from offbeat.host.opening import open_port
from offbeat.train.resources import folder

__all__ = ["Prompt", "PromptError"]

_FORGET: Final = """
for name in list(sys.modules):
    if name.split(".")[0] == "offbeat":
        del sys.modules[name]
for name in list(globals()):
    if not name.startswith("_"):
        del globals()[name]
import gc
gc.collect()
"""
_BAUDRATE: Final = 115200
_PATIENCE: Final = 10.0  # s without a byte from the board
_AGAIN: Final = 2.0  # s until another Ctrl-C
_LONGEST: Final = 120.0  # s that an answer may go on for, once it has begun
_LARGEST: Final = 1_000_000  # bytes of an answer; that about a slot has some thousand
_TAIL: Final = 1000  # bytes that are kept of what a board says before its prompt
_SILENCE: Final = 0.3  # s without a byte: the board has said all that it had to say
_PAUSE: Final = 0.05  # s in which an interrupted board returns to its prompt


class PromptError(BoardError):
    """What was run at the prompt raised an error. error: its last line, for instance ``OSError: 28``."""

    def __init__(self, sentence: str, error: str) -> None:
        super().__init__(sentence)
        self.error = error

    @property
    def is_out_of_space(self) -> bool:
        """The file system is full."""
        return self.error.startswith("OSError") and ("ENOSPC" in self.error or self.error.split()[-1] == "28")


class _EndlessError(TransportError):
    """An answer that goes on and on."""


class _Transport(SerialTransport):
    """mpremote's, which keeps all that comes, and looks at its overall time only when the board is silent: one that
    goes on talking would be listened to for ever, and fill this computer's memory."""

    def read_until(
        self, min_num_bytes: int, ending: bytes, timeout: float | None = 10, data_consumer: Any = None,
        timeout_overall: float | None = None,
    ) -> bytes:  # fmt: skip
        """What comes up to `ending`, or its end where the time is over, overall or without a byte.

        Raises TransportError where no overall time is given, and it goes on for too long.
        """
        began = heard = time.monotonic()
        patience = _LONGEST if timeout is None or timeout_overall is not None else timeout
        longest = patience + _LONGEST if timeout_overall is None else timeout_overall
        data = bytearray()
        while not data.endswith(ending):
            now = time.monotonic()
            if timeout_overall is None and (now >= began + longest or len(data) > _LARGEST):
                raise _EndlessError("the answer does not end")
            if now >= min(began + longest, heard + patience):
                break
            if self.serial.in_waiting:
                data += self.serial.read(1)
                heard = now
                if timeout_overall is not None:
                    del data[:-_TAIL]
            else:
                time.sleep(0.005)
        return bytes(data)


class Prompt:
    """A board at its raw prompt, stopped; `Prompt.open` makes one. A context manager: at its end, the board restarts.

    Raises, in all that it does: PromptError, BoardError where the board stops answering, Unplugged.
    """

    def __init__(self, port: str, transport: SerialTransport) -> None:
        self.port = port
        self._transport = transport
        self._is_computer = False

    @classmethod
    def open(cls, port: str) -> Self:
        """Stop what runs on a board and define there what device/boards/deployed/prompt.py does.

        Raises InputError where there is no such port, or it is busy, or not permitted; BoardError without a prompt.
        """
        open_port(port, _BAUDRATE, _PATIENCE).close()  # says why a port cannot be opened; the transport does not
        try:
            transport = _Transport(port, baudrate=_BAUDRATE, timeout=_PATIENCE)
        except (TransportError, OSError) as error:
            raise BoardError(f"{port}: cannot be opened ({error}); unplug the board and plug it in again") from None
        transport.serial.write_timeout = _PATIENCE
        prompt = cls(port, transport)
        try:
            prompt._enter()
        except BaseException:
            with contextlib.suppress(BoardError, Unplugged):
                prompt.restart()
            prompt.close()
            raise
        return prompt

    def _enter(self) -> None:
        self._stop(soft_reset=False)
        self._is_computer = self.run("import sys\nprint(sys.platform)").strip() == "linux"
        # A fresh heap is what main.py gets. MicroPython on a computer has no soft reset at the raw prompt.
        if self._is_computer:
            self.run(_FORGET)
        else:
            self._stop(soft_reset=True)
        self.run((folder("boards") / "deployed" / "prompt.py").read_text(encoding="utf-8"))

    def _stop(self, soft_reset: bool) -> None:
        """Enter the raw prompt; a board that boots does not hear the first Ctrl-C, so it gets more of them."""
        deadline = time.monotonic() + _PATIENCE
        tries = 0
        while True:
            tries += 1
            try:
                with contextlib.redirect_stdout(io.StringIO()):  # the transport prints what it heard
                    self._transport.enter_raw_repl(
                        soft_reset=soft_reset, timeout_overall=_PATIENCE if soft_reset else _AGAIN
                    )
                    if tries > 1:
                        # An answer to an earlier try may still come, which the transport would take for another one's.
                        self._wait_for_silence()
                        self._transport.enter_raw_repl(soft_reset=soft_reset, timeout_overall=_PATIENCE)
                return
            except TransportError:
                if time.monotonic() >= deadline:
                    raise BoardError(
                        f"{self.port}: Ctrl-C brings no prompt of MicroPython; is it on the board? C firmware has "
                        "none; flash MicroPython 1.20 or later, or reset the board and try again"
                    ) from None
            except serial.SerialTimeoutException:
                raise BoardError(f"{self.port}: the board takes no input; it is stuck, reset it") from None
            except OSError as error:
                raise self._unplugged() from error

    def _wait_for_silence(self) -> None:
        line = self._transport.serial
        quiet_since = time.monotonic()
        deadline = quiet_since + _PATIENCE
        while time.monotonic() < min(quiet_since + _SILENCE, deadline):
            if line.in_waiting:
                line.read(line.in_waiting)
                quiet_since = time.monotonic()
            time.sleep(0.01)

    def settle(self) -> None:
        """Come back to a prompt with a fresh heap, after a command that was cut short or took all memory."""
        self._stop(soft_reset=False)
        if self._is_computer:
            self.restart()
        self._enter()

    def run(self, code: str, patience: float = _PATIENCE) -> str:
        """Run code; returns what it printed. patience: seconds without a byte until the board counts as stuck."""
        with self._talking():
            said, failed = self._transport.exec_raw(code, timeout=patience)
        if failed:
            traceback = failed.decode(errors="backslashreplace").strip().splitlines() or ["an error without a name"]
            error = printable(traceback[-1])[:200]
            raise PromptError(f"{self.port}: the board answers {error}", error)
        return bytes(said).decode(errors="backslashreplace")

    def ask(self, code: str, patience: float = _PATIENCE) -> list[Any]:
        """Run code that prints lines of JSON; returns their values."""
        said = self.run(code, patience)
        try:
            return [json.loads(line) for line in said.splitlines() if line.strip()]
        except (ValueError, RecursionError):
            shown = printable(said.strip()[-100:])
            raise BoardError(f"{self.port}: the board says {shown!r} where an answer should be; reset it") from None

    def value(self, code: str, patience: float = _PATIENCE) -> Any:
        """Run code that prints one line of JSON; returns its value."""
        values = self.ask(code, patience)
        if len(values) != 1:
            raise BoardError(f"{self.port}: the board gives {len(values)} answers where one should be; reset it")
        return values[0]

    def text(self, code: str) -> str:
        """Run code that prints a JSON string; returns it."""
        value = self.value(code)
        if not isinstance(value, str):
            raise BoardError(f"{self.port}: the board gives {value!r:.100} where text should be; reset it")
        return value

    def restart(self) -> None:
        """Leave the prompt by a soft reset, whatever was going on there: main.py runs."""
        with self._talking():
            self._transport.serial.write(b"\r\x03\x03")
            time.sleep(_PAUSE)
            self._transport.exit_raw_repl()
            self._transport.serial.write(b"\x04")
            self._transport.serial.flush()

    def close(self) -> None:
        """Close the port."""
        with contextlib.suppress(OSError, ValueError):
            self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.restart()
        except (BoardError, Unplugged):
            if error is None:
                raise
        finally:
            self.close()

    @contextlib.contextmanager
    def _talking(self) -> Iterator[None]:
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                yield
        except TransportExecError as error:
            raise PromptError(f"{self.port}: the board answers {printable(str(error))}", str(error)) from None
        except _EndlessError:
            raise BoardError(
                f"{self.port}: the board does not stop talking at MicroPython's prompt; reset it"
            ) from None
        except (TransportError, struct.error, serial.SerialTimeoutException):
            raise BoardError(f"{self.port}: the board stopped answering at MicroPython's prompt; reset it") from None
        except OSError as error:
            raise self._unplugged() from error

    def _unplugged(self) -> Unplugged:
        return Unplugged(f"{self.port}: the port vanished while it was in use; plug the board in again")
