"""Heap of each profile, and viper beside bytecode: docs/small-boards.md, by `make bench-small`."""
