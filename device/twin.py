"""Make kernels_bytecode.py from kernels_viper.py: the same lines without viper. Called by `make generate`."""

import re
from pathlib import Path

PACKAGE = Path(__file__).parent / "offbeat"
HEADING = '''"""The inner loops as plain bytecode, for boards without the viper emitter.

Made from kernels_viper.py by `make generate`; a test holds the two together. Do not edit.
"""
'''


def bytecode_twin(viper_source: str) -> str:
    """Return the source of the bytecode twin for that of the viper kernels."""
    body = viper_source.split("import micropython\n", 1)[1]
    body = body.replace("@micropython.viper\n", "")
    body = re.sub(r": (?:ptr8|ptr16|ptr32|int)(?=[,)])", "", body)
    body = body.replace(") -> int:", "):")
    return HEADING + body


if __name__ == "__main__":
    source = (PACKAGE / "kernels_viper.py").read_text(encoding="utf-8")
    (PACKAGE / "kernels_bytecode.py").write_text(bytecode_twin(source), encoding="utf-8")
