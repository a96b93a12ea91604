"""What went wrong, said in one sentence that a person can act on."""

__all__ = ["InputError", "OffbeatError"]


class OffbeatError(Exception):
    """Base of every error that offbeat raises on purpose; the command line prints it without a traceback."""


class InputError(OffbeatError, ValueError):
    """A file, an option or an answer of a board that cannot be used: exit code 2.

    The message says what is wrong, where, and how to mend it, in one sentence.
    """
