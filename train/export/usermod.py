"""Export as MicroPython user C module: the C runtime in the firmware, for whatever model is put onto the board."""

from __future__ import annotations

from offbeat.device import VERSION, families
from offbeat.train.resources import folder

from . import micropython
from .c import environment, members_header
from .target import Files

__all__ = ["files"]


def files(model: bytes) -> Files:
    """The module below offbeat_c/, the board's files below board/, and a README."""
    runtime = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder("runtime").glob("*.[ch]"))}
    runtime["offbeat_members.h"] = members_header(families.FAMILIES.values())
    names = [families.FAMILIES[number] for number in range(1, len(families.FAMILIES) + 1)]
    sources = sorted({name for name in runtime if name.endswith(".c")} | {"modoffbeat_c.c"})
    values = {"version": VERSION, "families": names, "sources": sources}
    templates = environment()
    for name in ("modoffbeat_c.c", "micropython.mk", "micropython.cmake"):
        runtime[name] = templates.get_template(f"usermod/{name}").render(values)
    board = {f"board/{name}": content for name, content in micropython.files(model).items() if name != "README.md"}
    readme = templates.get_template("usermod/README.md").render(values)
    return {**{f"offbeat_c/{name}": text for name, text in runtime.items()}, **board, "README.md": readme}
