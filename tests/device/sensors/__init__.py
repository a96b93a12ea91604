"""Drivers against register-level models of their chips, the same checks under CPython and MicroPython."""
