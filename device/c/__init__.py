"""The C99 runtime, as files that exports copy (no Python lives here)."""
