"""Export as C99: the model as constant arrays, the runtime beside or in it, and an example that checks itself."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from numpy.typing import NDArray

from offbeat.device import VERSION, families
from offbeat.device.modelfile import CORRELATION, Model, parse
from offbeat.device.modelfile import VERSION as FORMAT
from offbeat.train.arithmetic import cosine
from offbeat.train.arithmetic import sine as sine_of
from offbeat.train.errors import InputError
from offbeat.train.families.forest import Forest
from offbeat.train.pipeline import Pipeline
from offbeat.train.resources import folder

from .forest_inline import inlined
from .single_file import INLINE, checked_prefix, joined, lacking, prefixed
from .target import Files, write_files

__all__ = ["arrays", "environment", "files", "members_header", "pair", "runtime", "values", "write"]

_WIDTH = 110
_LONGEST_TEXT = 200  # C99 promises strings of 4095 characters and no more


def _plain(text: str) -> str:
    """Text of any origin, safe inside a C comment and a C string: printable ASCII in one line.

    Without stars no comment ends or starts, without question marks there is no trigraph, and without quotes and
    backslashes no string ends.
    """
    return re.sub(r"[^ !#-)+->@-\[\]-~]", "_", text)[:_LONGEST_TEXT]


def _wrapped(values: Iterable[object]) -> str:
    """Initializers, comma-separated, in lines."""
    lines, line = [], "   "
    for value in values:
        word = f" {value},"
        if len(line) + len(word) > _WIDTH:
            lines.append(line)
            line = "   "
        line += word
    return "\n".join([*lines, line])


def _room(model: Model) -> int:
    """Words of scratch beyond the standard scores, as the board's own scorer counts them."""
    count = len(model.features)
    return families.module(model.family).Scorer(model.parameters, count).room() - count


def _members(model: Model) -> list[str]:
    """Families that the model's family has as members; none but in an ensemble."""
    return list(Pipeline(model).family.settings.get("members", []))


def members_header(members: Iterable[str]) -> str:
    """Text of the header that tells the ensemble's code which families it can refer to."""
    defines = "".join(f"#define OFFBEAT_MEMBER_{name.upper()}\n" for name in members)
    return f"/* The families that the model's ensemble has as members. Generated with the model. */\n{defines}"


def _sources(model: Model) -> list[Path]:
    """The runtime's files without the families that the model does not need."""
    needed = {families.FAMILIES[model.family], *_members(model)}
    unneeded = {f"offbeat_{name}.c" for name in families.FAMILIES.values() if name not in needed}
    return [path for path in sorted(folder("runtime").glob("*.[ch]")) if path.name not in unneeded]


def _golden(model: Model) -> list[dict[str, Any]]:
    return [
        {
            "features": np.frombuffer(features, "<i4").tolist(),
            "score": score,
            "window": np.frombuffer(window, "<i2").tolist(),
        }
        for features, score, window in model.golden_windows()
    ]


def _unseen(model: Model) -> set[int]:
    """Channels that never moved in training."""
    return {model.unseen_channel(j) for j in range(len(model.features))} - {-1}


def _twiddles(sine: NDArray[np.int16]) -> list[str]:
    """The factors of the last stage's butterflies, which those before it use in steps, as words cosine + 65536 * sine.

    sine: the model's quarter wave. Of butterfly j = 1, 2, .. those of twice, once and three times its angle.
    """
    steps = np.arange(2, len(sine) - 1, 2)[:, None] * np.array([2, 1, 3])
    words = (cosine(sine, steps) & 0xFFFF) | (sine_of(sine, steps) & 0xFFFF).astype(np.int64) << 16
    return [f"0x{word:08X}U" for word in words.ravel()]


def environment() -> jinja2.Environment:
    """The templates of generated text that is not HTML, with filters for C."""
    templates = jinja2.Environment(  # noqa: S701  C, not HTML: text from files goes through _plain
        loader=jinja2.PackageLoader("offbeat.train"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters.update(plain=_plain, wrapped=_wrapped)
    return templates


def values(model: Model) -> dict[str, Any]:
    """What the templates say about a model."""
    pipeline = Pipeline(model)
    sine = np.frombuffer(model.sine, "<i2")
    return {
        "version": VERSION,
        "format": FORMAT,
        "model": model,
        "names": pipeline.names,
        "reason_names": pipeline.reason_names,
        "unseen": sum(1 << int(channel) for channel in _unseen(model)),
        "channels": pipeline.channels,
        "features": model.features,
        "scales": pipeline.standardize,
        "sine": sine.tolist(),
        "twiddles": _twiddles(sine),
        "decision": pipeline.decision,
        "golden": _golden(model),
        "slew": np.frombuffer(model.baseline, "<u2").tolist(),
        "correlated": any(kind == CORRELATION for kind, *_ in model.features),
        "family": families.FAMILIES[model.family],
        "room": _room(model),
        "parameters": np.frombuffer(model.parameters, "<i2").tolist(),
        "sources": [path.name for path in _sources(model) if path.suffix == ".c"],
    }


def arrays(model: Model) -> tuple[str, str]:
    """The text of model.h and model.c."""
    templates, found = environment(), values(model)
    return templates.get_template("model.h").render(found), templates.get_template("model.c").render(found)


def runtime(model: Model, inline: bool = False) -> dict[str, str]:
    """The runtime's sources that a model needs, by name. inline: a forest's trees as code.

    Raises InputError for inline and a model that is no forest.
    """
    sources = {path.name: path.read_text(encoding="utf-8") for path in _sources(model)}
    if inline:
        family = Pipeline(model).family
        if not isinstance(family, Forest):
            raise InputError(
                f"--forest inline is for a forest, and this model is of family {family.name}; leave it out"
            )
        sources["offbeat_forest.c"] = inlined(sources["offbeat_forest.c"], family)
    members = _members(model)
    return {**sources, "offbeat_members.h": members_header(members)} if members else sources


def pair(model: Model, name: str = "model", prefix: str = "offbeat", inline: bool = False) -> dict[str, str]:
    """One self-contained pair of files, NAME.h and NAME.c. prefix: how its names begin; inline: as for ``runtime``."""
    lacks = lacking(model, _members(model)) | {INLINE: inline}
    made = joined(runtime(model, inline), arrays(model), lacks, name)
    return made if prefix == "offbeat" else {file: prefixed(text, prefix) for file, text in made.items()}


def files(model: bytes, single_file: bool = False, prefix: str | None = None, forest: str = "table") -> Files:
    """Arrays, runtime, example and README.

    single_file: one pair model.h and model.c instead of arrays and runtime; prefix: how its names begin, by default
    offbeat, and the name of its files, by default model; forest: its trees as a "table" or "inline", as code. Raises
    InputError for a prefix that is none, or without single_file, and for a forest that is neither, or inline for
    another family.
    """
    if forest not in ("table", "inline"):
        raise InputError(f"--forest {forest} is unknown; choose table or inline")
    parsed = parse(model)
    if prefix is not None and not single_file:
        raise InputError("--prefix renames what --single-file makes; give both, or neither")
    beginning = "offbeat" if prefix is None else checked_prefix(prefix)
    name = "model" if prefix is None else beginning
    found = {**values(parsed), "single_file": single_file, "file": name}
    if single_file:
        found["sources"] = [f"{name}.c"]
        texts = pair(parsed, name, beginning, inline=forest == "inline")
    else:
        header, source = arrays(parsed)
        texts = {**runtime(parsed, forest == "inline"), "model.h": header, "model.c": source}
    templates = environment()
    example = templates.get_template("example.c").render(found)
    readme = templates.get_template("c_readme.md").render(found)
    return {**texts, "example.c": _with(beginning, example), "README.md": _with(beginning, readme)}


def _with(prefix: str, text: str) -> str:
    return text if prefix == "offbeat" else prefixed(text, prefix)


def write(model: bytes, directory: Path) -> list[Path]:
    """Write what ``files`` makes; returns the paths."""
    return write_files(files(model), directory)
