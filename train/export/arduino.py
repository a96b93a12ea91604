"""Export as Arduino library: the model as one pair of C files, a class around it, and two examples."""

from __future__ import annotations

import re

from offbeat.device.fit import fits_rate
from offbeat.device.modelfile import Model, parse

from .c import environment, pair, values
from .sensor import micro_g
from .target import Files

__all__ = ["files", "library_name"]

_DATA_RATES = {10: 2, 25: 3, 50: 4, 100: 5, 200: 6, 400: 7}  # Hz to the LIS3DH's code, as in sensors/lis3dh.py

_AXES = {"x": 0, "y": 1, "z": 2}


def library_name(name: str) -> str:
    """A name that the library specification allows: letters, digits, space, _ . -; at most 63; a letter or digit first.

    Source: Arduino library specification, revision 1.5 (2.2), field `name`.
    """
    plain = re.sub(r"[^A-Za-z0-9 _.-]+", " ", name)
    return " ".join(f"Offbeat {plain}".split())[:63].rstrip()


def _data_rate(model: Model) -> str | None:
    """Value of CTRL_REG1 for the model's rate, three axes on; None where the sensor has none that the model takes."""
    for rate, code in _DATA_RATES.items():
        if fits_rate(model.rate_millihertz, 1000 * rate):
            return f"0x{code << 4 | 7:02X}"
    return None


def files(model: bytes) -> Files:
    """library.properties, keywords.txt, src/, examples/, a README; examples/SelfTest where there are golden windows."""
    parsed = parse(model)
    found = values(parsed)
    rate = _data_rate(parsed)
    found |= {
        "library": library_name(parsed.name or parsed.identity),
        "data_rate": rate,
        "axes": [
            (_AXES[name], micro) if rate and micro and name in _AXES else None
            for name, micro in zip(found["channels"], micro_g(parsed), strict=True)
        ],
    }
    names = {
        "library.properties": "library.properties",
        "keywords.txt": "keywords.txt",
        "src/Offbeat.h": "Offbeat.h",
        "examples/Score/Score.ino": "Score.ino",
        "README.md": "README.md",
    }
    if found["golden"]:
        names |= {"examples/SelfTest/SelfTest.ino": "SelfTest.ino", "examples/SelfTest/golden.h": "golden.h"}
    templates = environment()
    made: Files = {place: templates.get_template(f"arduino/{name}").render(found) for place, name in names.items()}
    return {**made, **{f"src/{name}": text for name, text in pair(parsed, name="offbeat_model").items()}}
