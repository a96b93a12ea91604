"""Checks the board's code against MicroPython's own modules, port by port: python device/check_types.py [PORT …].

Each port has stubs of its own in .venv/stubs; `make setup` puts them there. `sys.platform` is the port's, so that
what is for one port alone is looked at with that port's modules.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EVERYTHING = ("offbeat", "offbeat_boards")
PORTS = {
    "unix": ("linux", ("offbeat", "offbeat_boards.deployed", "offbeat_boards.virtual")),  # generic/main.py needs pins
    "rp2": ("rp2", EVERYTHING),
    "esp32": ("esp32", EVERYTHING),
    "stm32": ("pyboard", EVERYTHING),
}


def check(port):
    """Whether mypy finds nothing in the code for one port."""
    platform, packages = PORTS[port]
    stubs = ROOT / ".venv" / "stubs" / port
    if not stubs.is_dir():
        print(f"{stubs} is missing; run `make setup`")
        return False
    command = [
        sys.executable, "-m", "mypy", "--config-file", "device/mypy.ini", "--platform", platform,
        "--custom-typeshed-dir", str(stubs), "--cache-dir", f".mypy_cache/{port}",
    ]  # fmt: skip
    for package in packages:
        command += ["-p", package]
    path = os.pathsep.join((str(ROOT / ".venv" / "board"), str(stubs)))
    print(f"{port}: ", end="", flush=True)
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "MYPYPATH": path}).returncode == 0


if __name__ == "__main__":
    sys.exit(not all([check(port) for port in sys.argv[1:] or PORTS]))
