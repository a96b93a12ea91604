"""Exit codes: 0 done, 1 the check found what it looks for, 2 bad input; one sentence, never a traceback."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from offbeat.host.lines import printable
from offbeat.train.errors import OffbeatError

__all__ = ["exit_codes"]


def _fail(sentence: str) -> SystemExit:
    print(f"offbeat: {printable(sentence)}", file=sys.stderr)
    return SystemExit(2)


@contextmanager
def exit_codes() -> Iterator[None]:
    """Turn what went wrong into a sentence on standard error and exit code 2."""
    try:
        yield
    except OffbeatError as error:
        raise _fail(str(error)) from None
    except KeyboardInterrupt:
        raise _fail("stopped by Ctrl-C; nothing half-written was left") from None
    except BrokenPipeError:
        # The reader of our output is gone (`| head`): point stdout away, so that the exit does not fail on it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except MemoryError:
        raise _fail("out of memory; use a shorter recording, or a longer --hop") from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        if error.errno == errno.ENOSPC:
            raise _fail(
                f"{where}the disk is full; nothing half-written was left, free some room and try again"
            ) from None
        raise _fail(f"{where}{error.strerror or error}") from None
