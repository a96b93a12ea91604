"""Runs under MicroPython, as main.py of a virtual board: its flash is littlefs in a file, as a real board's is.

Like a port's own start it mounts the flash, changes into it and runs the main.py there, where there is one. Names begin
with an underscore, for `offbeat deploy` lets go of the others.
"""

import builtins
import os
import sys

_BLOCK = 4096
_HOST = os.getcwd()


class FileFlash:
    """A block device of MicroPython's extended interface in flash.img, which the test has made."""

    def __init__(self):
        self.file = open("flash.img", "r+b")  # noqa: SIM115
        self.blocks = self.file.seek(0, 2) // _BLOCK

    def readblocks(self, block, buffer, offset=0):
        self.file.seek(block * _BLOCK + offset)
        self.file.readinto(buffer)

    def writeblocks(self, block, buffer, offset=0):
        self.file.seek(block * _BLOCK + offset)
        self.file.write(buffer)

    def ioctl(self, operation, argument):
        if operation == 4:
            return self.blocks
        if operation == 5:
            return _BLOCK
        if operation == 6:
            self.file.seek(argument * _BLOCK)
            self.file.write(b"\xff" * _BLOCK)
        return 0


flash = FileFlash()
try:
    os.mount(os.VfsLfs2(flash, progsize=256), "/flash")
except OSError:
    os.VfsLfs2.mkfs(flash, progsize=256)
    os.mount(os.VfsLfs2(flash, progsize=256), "/flash")

_open = builtins.open
# The sensor's pipe and what describes it stay on the computer.
_outside = {name: _HOST + "/" + name for name in ("sensor.pipe", "about.json")}
builtins.open = lambda path, *rest: _open(_outside.get(path, path), *rest)
os.chdir("/flash")
sys.path[:] = ["", ".frozen"]
if "about.json" not in os.listdir():
    with _open("about.json", "w") as note:
        note.write("{}")
print("a board with littlefs")
if "main.py" in os.listdir():
    exec(_open("main.py").read())
