"""Board files that exports and the virtual board copy."""
