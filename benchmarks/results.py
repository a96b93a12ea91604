"""docs/results.md: sections, each written by its benchmark, and tables in Markdown."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

__all__ = ["ROOT", "put_section", "refuse", "table", "write_whole"]

ROOT = Path(__file__).resolve().parents[1]

_INTRODUCTION = """# Results

Every number here is written by a benchmark, none by hand: `make bench-detection` and `make bench-speed`, see
[benchmarks/README.md](../benchmarks/README.md). The recordings are not part of this repository.
"""


def refuse(why: str) -> NoReturn:
    """Say in one sentence why nothing is done, and end with exit code 2."""
    print(why, file=sys.stderr)
    sys.exit(2)


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table, its first column to the left and the others to the right."""
    lines = [header, [":---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def write_whole(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(name).chmod(0o644)
    Path(name).replace(path)


def put_section(path: Path, key: str, text: str) -> None:
    """Put the section of one benchmark into the results, leaving those of others as they are.

    key: names the section in comments of the file, <!-- key --> to <!-- /key -->.
    """
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    if "<!-- /" not in before:
        before = _INTRODUCTION
    section = f"<!-- {key} -->\n{text.strip()}\n<!-- /{key} -->\n"
    pattern = re.compile(rf"<!-- {key} -->.*?<!-- /{key} -->\n", re.DOTALL)
    if pattern.search(before):
        write_whole(path, pattern.sub(lambda match: section, before))
    else:
        write_whole(path, before.rstrip() + "\n\n" + section)
