"""Make NAME_bytecode.py of each NAME_viper.py: the same lines without viper. Called by `make generate`."""

import re
from pathlib import Path

PACKAGE = Path(__file__).parent / "offbeat"
HEADING = '''"""The inner loops as plain bytecode, for boards without the viper emitter.

Made from {name} by `make generate`; a test holds the two together. Do not edit.
"""
'''


def sources() -> list[Path]:
    """The viper modules, each of which has a twin."""
    return sorted(PACKAGE.rglob("*_viper.py"))


def twin_of(viper: Path) -> Path:
    """Where the twin of a viper module lies."""
    return viper.with_name(viper.name.replace("_viper.py", "_bytecode.py"))


def bytecode_twin(viper: Path) -> str:
    """Return the source of the bytecode twin for a module of viper kernels."""
    body = viper.read_text(encoding="utf-8").split("import micropython\n", 1)[1]
    body = body.replace("@micropython.viper\n", "")
    body = re.sub(r": (?:ptr8|ptr16|ptr32|int)(?=[,)])", "", body)
    body = body.replace(") -> int:", "):")
    return HEADING.format(name=viper.name) + body


if __name__ == "__main__":
    for source in sources():
        twin_of(source).write_text(bytecode_twin(source), encoding="utf-8")
