"""Runs under MicroPython: NOR flash in RAM for its own littlefs, which notes every operation, fails, loses power."""

import os

BLOCK = 4096
ERASED = b"\xff" * BLOCK


class Flash:
    """A block device (MicroPython's extended interface) that asserts that only what is erased is programmed; where
    `forgiving`, it does then what NOR flash does: bits become 0, and never 1.

    image: its bytes; operations: what was done, as (offset, bytes), bytes None for the erasure of a block, where
    `noting`; fails: a countdown of operations until all of them raise OSError, -1 for never; erased, programmed:
    counts of blocks and of operations; wear: erasures of each block.
    """

    def __init__(self, blocks, image=None):
        self.blocks = blocks
        self.image = bytearray(b"\xff" * (blocks * BLOCK)) if image is None else image
        self.operations = []
        self.noting = False
        self.fails = -1
        self.forgiving = False
        self.erased = 0
        self.programmed = 0
        self.wear = [0] * blocks

    def readblocks(self, block, buffer, offset=0):
        at = block * BLOCK + offset
        memoryview(buffer)[:] = memoryview(self.image)[at : at + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        at = block * BLOCK + offset
        self._countdown()
        before = self.image[at : at + len(buffer)]
        if before != ERASED[: len(buffer)]:
            assert self.forgiving, "programs what was not erased"
            buffer = bytes([before[i] & buffer[i] for i in range(len(buffer))])
        if self.noting:
            self.operations.append((at, bytes(buffer)))
        self.programmed += 1
        self.image[at : at + len(buffer)] = buffer

    def ioctl(self, operation, argument):
        if operation == 4:
            return self.blocks
        if operation == 5:
            return BLOCK
        if operation == 6:
            self._countdown()
            if self.noting:
                self.operations.append((argument * BLOCK, None))
            self.erased += 1
            self.wear[argument] += 1
            self.image[argument * BLOCK : (argument + 1) * BLOCK] = ERASED
        return 0

    def _countdown(self):
        if self.fails == 0:
            raise OSError(5)
        if self.fails > 0:
            self.fails -= 1

    def format(self):
        os.VfsLfs2.mkfs(self)

    def mount(self, place):
        # what MicroPython's ports mount by default
        os.mount(os.VfsLfs2(self), place)


def carry_out(image, operation, share=2, noise=None):
    """Do an operation on an image: whole (share 2), or its first half only; the other half may become noise."""
    at, data = operation
    data = ERASED if data is None else data
    half = len(data) * share // 2
    image[at : at + half] = data[:half]
    if noise is not None:
        image[at + half : at + len(data)] = noise[: len(data) - half]
