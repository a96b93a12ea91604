"""Recordings in, models out: everything that runs on a computer before a board is flashed."""
