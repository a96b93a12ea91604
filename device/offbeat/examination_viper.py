"""The inner loop of examination in viper; see kernels_viper.py for what its lines must mean in three places."""

import micropython


@micropython.viper
def ends(at: int, capacity: int, ring: ptr16, state: ptr32) -> int:
    """How many samples of one channel stand at an end of its range, and 32768 more where any differs from the first.

    at: first frame; capacity: frames in the ring; ring: int16 frames; state: 0 channels, 1 channel, 2 window, 3 lowest
    and 4 highest count of the range, + 32768.
    """
    channels = state[0]
    left = state[2]
    lowest = state[3]
    highest = state[4]
    end = capacity * channels
    at = at * channels + state[1]
    first = (ring[at] & 0xFFFF) ^ 0x8000
    found = 0
    moves = 0
    while left > 0:
        x = (ring[at] & 0xFFFF) ^ 0x8000
        if x != first:
            moves = 32768
        if x <= lowest or x >= highest:
            found += 1
        at += channels
        if at >= end:
            at -= end
        left -= 1
    return found + moves
