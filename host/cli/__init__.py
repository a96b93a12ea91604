"""The `offbeat` command."""


def main() -> None:
    raise SystemExit("not yet")
