"""Export as C99: the model as constant arrays, the runtime beside it, and an example that checks itself."""

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
from offbeat.train.modelfile import write_atomically
from offbeat.train.pipeline import Pipeline
from offbeat.train.resources import folder

__all__ = ["arrays", "files", "write"]

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


def _members_header(members: Iterable[str]) -> str:
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


def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(  # noqa: S701  C, not HTML: text from files goes through _plain
        loader=jinja2.PackageLoader("offbeat.train"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(plain=_plain, wrapped=_wrapped)
    return environment


def _values(model: Model) -> dict[str, Any]:
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
    environment, values = _templates(), _values(model)
    return environment.get_template("model.h").render(values), environment.get_template("model.c").render(values)


def files(model: bytes) -> dict[str, str]:
    """The text of every file of the export by its name: runtime, arrays, example and README."""
    parsed = parse(model)
    environment, values = _templates(), _values(parsed)
    texts = {path.name: path.read_text(encoding="utf-8") for path in _sources(parsed)}
    for name in ("model.h", "model.c", "example.c"):
        texts[name] = environment.get_template(name).render(values)
    members = _members(parsed)
    if members:
        texts["offbeat_members.h"] = _members_header(members)
    texts["README.md"] = environment.get_template("c_readme.md").render(values)
    return texts


def write(model: bytes, directory: Path) -> list[Path]:
    """Write runtime, arrays, example and README; returns the files."""
    written = []
    for name, text in files(model).items():
        write_atomically(directory / name, text)
        written.append(directory / name)
    return written
