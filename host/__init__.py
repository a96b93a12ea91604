"""Everything that talks to a board, and the command line."""
