"""The cable of a virtual board: bytes between the port that programs open and the board's own terminal.

One thread owns both ends, so that no lock is needed; what others want done is queued for it.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Final

from offbeat.train.errors import OffbeatError

from .virtual_process import Processor, open_terminal

__all__ = ["Relay"]

_BUFFER: Final = 65536  # bytes that wait for a slow reader
_TICK: Final = 50  # ms between looks at the process
_TICK_ALONE: Final = 20  # ms between looks whether a program has opened the port
_REQUEST_SECONDS: Final = 10.0
_ENDED: Final = "the virtual board has ended; start a new one"


class Relay:
    """Copies bytes both ways until close(). dropped: bytes of the board that no program took.

    port: the link to make; bus_powered: pulling the cable takes the board's power too, as with USB.
    """

    def __init__(self, processor: Processor, port: Path, bus_powered: bool) -> None:
        self.dropped = 0
        self.failure: Exception | None = None
        self.said_something = threading.Event()
        self.ended = threading.Event()
        self._processor = processor
        self._port = port
        self._bus_powered = bus_powered
        self._powered = False
        self._host = -1
        self._listened = False
        self._to_host = bytearray()
        self._to_board = bytearray()
        self._requests: queue.SimpleQueue[tuple[Callable[[], None], Future[None]]] = queue.SimpleQueue()
        self._waking, self._wake = os.pipe()
        os.set_blocking(self._waking, False)
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="offbeat cable", daemon=True)

    def start(self) -> None:
        """Switch the board on, plugged in."""
        self._thread.start()
        self.ask(self._plug_in)

    def unplug(self) -> None:
        """Pull the cable: the port vanishes, and programs that have it open get an error."""
        self.ask(self._pull_out)

    def plug(self) -> None:
        """Plug the cable in again; the port has the same name."""
        self.ask(self._plug_in)

    def reset(self) -> None:
        """Press the reset button."""
        self.ask(self._restart)

    def feed(self, data: bytes, to_board: bool) -> None:
        """Put bytes on the line, as noise does."""
        self.ask(lambda: (self._to_board if to_board else self._to_host).extend(data))

    def fail(self, error: Exception) -> None:
        """Note what ended the board; the first error counts."""
        self.failure = self.failure or error
        self.ended.set()

    def close(self) -> None:
        """Switch off and end the thread."""
        if self._thread.is_alive():
            self._closing = True
            os.write(self._wake, b"\0")
            self._thread.join()
        for handle in (self._wake, self._waking):
            if handle >= 0:
                os.close(handle)
        self._wake = self._waking = -1
        self.ended.set()

    def ask(self, request: Callable[[], None]) -> None:
        """Have something done by the thread, and wait for it. Raises OffbeatError where the board has ended."""
        if not self._thread.is_alive():
            raise self.failure or OffbeatError(_ENDED)
        done: Future[None] = Future()
        self._requests.put((request, done))
        os.write(self._wake, b"\0")
        done.result(_REQUEST_SECONDS)

    def _run(self) -> None:
        try:
            while not self._closing:
                self._wait_and_copy()
                self._answer_requests()
                if self._powered:
                    self._look_after()
        except Exception as error:
            self.fail(error)
        finally:
            self._pull_out()
            self._switch(False)
            self._closing = True
            self._refuse_requests()

    def _answer_requests(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                request, done = self._requests.get_nowait()
                try:
                    request()
                except Exception as error:
                    done.set_exception(error)
                else:
                    done.set_result(None)

    def _refuse_requests(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._requests.get_nowait()[1].set_exception(self.failure or OffbeatError(_ENDED))

    def _look_after(self) -> None:
        try:
            self._say(self._processor.look_after())
        except OffbeatError as error:
            self.fail(error)
            self._pull_out()
            self._switch(False)

    def _switch(self, on: bool) -> None:
        self._powered = on
        self._to_board.clear()
        if on:
            self._processor.start()
        else:
            self._processor.stop()

    def _restart(self) -> None:
        if self._powered:
            self._switch(True)

    def _plug_in(self) -> None:
        if self._host < 0:
            self._host, other = open_terminal()
            name = os.ttyname(other)
            os.close(other)  # from here on, the terminal tells us whether a program has it open
            temporary = self._port.with_name(f".{self._port.name}.new")
            temporary.unlink(missing_ok=True)
            temporary.symlink_to(name)
            temporary.replace(self._port)
        if not self._powered:
            self._switch(True)

    def _pull_out(self) -> None:
        self._port.unlink(missing_ok=True)
        if self._host >= 0:
            os.close(self._host)
            self._host = -1
        self._listened = False
        self._to_host.clear()
        if self._bus_powered:
            self._switch(False)

    def _wait_and_copy(self) -> None:
        """Wait for bytes, room, requests or the next tick, and copy."""
        self._look_for_listener()
        board = self._processor.handle
        poll = select.poll()
        poll.register(self._waking, select.POLLIN)
        if board >= 0:
            poll.register(board, select.POLLIN | (select.POLLOUT if self._to_board else 0))
        if self._listened:
            # What the board does not take yet stays in the terminal, so the program that writes has to wait.
            room = select.POLLIN if len(self._to_board) < _BUFFER else 0
            poll.register(self._host, room | (select.POLLOUT if self._to_host else 0))
        for handle, event in poll.poll(_TICK if self._listened else _TICK_ALONE):
            if handle == self._waking:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._waking, 4096)
            elif handle == board:
                self._copy_from_board()
            elif event & ~select.POLLOUT:
                self._copy_from_host()
        self._send(board, self._to_board)
        if self._listened:
            self._send(self._host, self._to_host)

    def _look_for_listener(self) -> None:
        if self._host >= 0 and not self._listened:
            poll = select.poll()
            poll.register(self._host, 0)
            self._listened = not any(event & select.POLLHUP for _, event in poll.poll(0))

    def _copy_from_board(self) -> None:
        data = self._processor.read()
        if data:
            self.said_something.set()
        self._say(data)

    def _say(self, data: bytes) -> None:
        """Pass on what the board said; without a reader, or with a slow one, it is lost, as on a real line."""
        if not self._listened or len(self._to_host) + len(data) > _BUFFER:
            self.dropped += len(data)
        else:
            self._to_host += data

    def _copy_from_host(self) -> None:
        try:
            self._to_board += os.read(self._host, _BUFFER)
        except BlockingIOError:
            pass
        except OSError:  # the last program has closed the port
            self._listened = False
            self.dropped += len(self._to_host)
            self._to_host.clear()
            self._empty_terminal()

    def _empty_terminal(self) -> None:
        """Forget what the last program left unread, so that the next one starts with fresh lines."""
        with contextlib.suppress(OSError):
            other = os.open(self._port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            try:
                while os.read(other, _BUFFER):
                    pass
            finally:
                os.close(other)

    @staticmethod
    def _send(handle: int, waiting: bytearray) -> None:
        if handle >= 0 and waiting:
            with contextlib.suppress(OSError):  # no room yet, or the other side is gone: noticed on reading
                del waiting[: os.write(handle, waiting)]
