"""What offbeat and other makers' generators cost on a microcontroller, in one run: `make bench-device`."""
