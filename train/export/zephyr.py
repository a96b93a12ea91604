"""Export as Zephyr module: the model as one pair of C files with CMake, Kconfig and a sample."""

from __future__ import annotations

from offbeat.device.modelfile import parse

from .c import environment, pair, values
from .sensor import micro_g
from .target import Files

__all__ = ["files"]

_PLACES = {
    "zephyr/module.yml": "module.yml",
    "CMakeLists.txt": "CMakeLists.txt",
    "Kconfig": "Kconfig",
    "samples/score/CMakeLists.txt": "sample_CMakeLists.txt",
    "samples/score/prj.conf": "prj.conf",
    "samples/score/sample.yaml": "sample.yaml",
    "samples/score/src/main.c": "main.c",
    "README.md": "README.md",
}


def files(model: bytes) -> Files:
    """zephyr/module.yml, CMakeLists.txt, Kconfig, include/, src/, samples/score/ and a README."""
    parsed = parse(model)
    found = {
        **values(parsed),
        "module": "offbeat",
        "period": round(1e9 / parsed.rate_millihertz),
        "micro_g": micro_g(parsed),
    }
    templates = environment()
    made: Files = {place: templates.get_template(f"zephyr/{name}").render(found) for place, name in _PLACES.items()}
    texts = pair(parsed)
    return {**made, "include/model.h": texts["model.h"], "src/model.c": texts["model.c"]}
