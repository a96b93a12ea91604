"""The board's input: the serial line that is also the REPL, a few bytes at a time, without waiting."""

import select
import sys

_BYTES_A_TURN = 32  # a quarter of the longest line; however much comes, sampling is looked after in between


class Console:
    """Feeds what comes on standard input to a commands.Listener."""

    def __init__(self, listener):
        self._feed = listener.feed
        self._read = sys.stdin.buffer.readinto
        self._poll = select.poll()
        self._poll.register(sys.stdin, select.POLLIN)
        self._byte = bytearray(1)

    def listen(self, wait):
        """Take what is there, a few bytes at most; wait: ms for the first one. True when anything came."""
        for heard in range(_BYTES_A_TURN):
            ready = False
            for event in self._poll.ipoll(wait if heard == 0 else 0):
                ready = bool(event[1] & select.POLLIN)
            if not ready or not self._read(self._byte):
                return heard > 0
            self._feed(self._byte[0])
        return True
