"""Sources of the bare-metal firmware, for the host to build; nothing here is Python."""
