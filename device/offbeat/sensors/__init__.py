"""Sensors: each a source of frames.

A source has: channels, units (tuples of names), scales (tuple of unit per count, as text), sensor (name),
rate_millihertz, and read_into(frame) -> True when it has put the next sample of every channel, int16 counts,
into frame, an array('h'); False when none is due. read_into allocates nothing and does not block.
"""
