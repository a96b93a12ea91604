"""What the layout promises: imports that point one way, modules that say what they are, and no unsafe loading."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
BOARD, BOARDS, TRAIN, HOST = (ROOT / name for name in ("device/offbeat", "device/boards", "train", "host"))
PACKAGES = {BOARD: "offbeat.device", TRAIN: "offbeat.train", HOST: "offbeat.host"}
LONGEST = 500

# Modules that MicroPython's ports bring along; machine, esp32 and rp2 only on boards, never on the host.
MICROPYTHONS_OWN = {
    "array", "asyncio", "binascii", "esp32", "gc", "hashlib", "json", "machine", "micropython", "os", "rp2",
    "select", "struct", "sys", "time",
    "offbeat_c",  # ours, in a firmware that was built with it
}  # fmt: skip
# Modules of the board's package that run under CPython too, and so may be used there.
SHARED = {
    "VERSION", "adaptation", "checksum", "commissioning", "detector", "examination", "families", "feature_sets",
    "features", "fit", "kernels", "learning", "lines", "link", "manifest", "micro", "modelfile", "modelwriter",
    "moments", "moments_bytecode", "quality", "records", "sampling", "sensors", "tables", "threshold",
}  # fmt: skip
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve"}
UNSAFE_CALLS = {"eval", "exec", "compile", "__import__", "joblib.load"}


def modules(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def package_of(path: Path) -> list[str]:
    """The package that a module's relative imports start from."""
    for folder, name in PACKAGES.items():
        if path.is_relative_to(folder):
            return [*name.split("."), *path.relative_to(folder).parent.parts]
    return []


def imports(path: Path) -> Iterator[str]:
    """Full names of what a file imports, wherever in the file: modules, and names that may be modules."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package_of(path)
            above = base[: len(base) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def is_under(module: str, package: str) -> bool:
    return f"{module}.".startswith(f"{package}.")


def calls(path: Path) -> Iterator[ast.Call]:
    yield from (node for node in ast.walk(tree(path)) if isinstance(node, ast.Call))


def test_train_never_imports_the_host() -> None:
    wrong = [(name_of(path), module) for path in modules(TRAIN) for module in imports(path)]
    assert [pair for pair in wrong if is_under(pair[1], "offbeat.host")] == []


def test_train_and_host_take_only_what_is_shared_of_the_board() -> None:
    wrong = [
        (name_of(path), module)
        for path in modules(TRAIN, HOST)
        for module in imports(path)
        if is_under(module, "offbeat.device") and [*module.split("."), ""][2] not in SHARED
    ]
    assert wrong == []


def test_the_board_imports_micropythons_own_modules_and_itself() -> None:
    wrong = [
        (name_of(path), module)
        for path in modules(BOARD)
        for module in imports(path)
        if module.split(".")[0] not in MICROPYTHONS_OWN and not is_under(module, "offbeat.device")
    ]
    assert wrong == []


def test_what_the_board_imports_of_itself_is_there() -> None:
    def is_there(module: str) -> bool:
        *above, last = module.split(".")[2:]
        folder = BOARD.joinpath(*above)
        if (folder / f"{last}.py").exists() or (folder / last).is_dir():
            return True
        file = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
        return file.exists() and last in file.read_text(encoding="utf-8")

    own = [module for path in modules(BOARD) for module in imports(path) if is_under(module, "offbeat.device")]
    assert len(own) > 30
    assert [module for module in own if not is_there(module)] == []


def test_a_boards_main_uses_the_name_that_the_package_has_there() -> None:
    wrong = [
        (name_of(path), module)
        for path in modules(BOARDS)
        for module in imports(path)
        if module.split(".")[0] not in MICROPYTHONS_OWN | {"offbeat"}
    ]
    assert wrong == []


def test_every_module_says_what_it_is() -> None:
    assert [name_of(path) for path in modules(TRAIN, HOST, ROOT / "device") if not ast.get_docstring(tree(path))] == []


def public_list(path: Path) -> list[str] | None:
    """What a module's __all__ holds; None where it has none."""
    for node in tree(path).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return list(ast.literal_eval(node.value))
    return None


def test_every_module_of_train_and_host_names_what_is_public() -> None:
    wrong = []
    for path in modules(TRAIN, HOST):
        body = tree(path).body
        public = public_list(path)
        defined = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        if len(body) > 1 and public is None:
            wrong.append(f"{name_of(path)} has no __all__")
        elif public is not None:
            forgotten = sorted({name for name in defined if not name.startswith("_")} - set(public))
            wrong += [f"{name_of(path)}: {name} is public by its name, but not in __all__" for name in forgotten]
            wrong += [f"{name_of(path)}: {name} stands twice" for name in public if public.count(name) > 1]
    assert wrong == []


def test_what_is_public_in_train_has_a_docstring() -> None:
    silent = [
        f"{name_of(path)}: {node.name}"
        for path in modules(TRAIN)
        for node in tree(path).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and node.name in (public_list(path) or [])
        and not ast.get_docstring(node)
    ]
    assert silent == []


def test_no_module_is_too_long() -> None:
    files = modules(TRAIN, HOST, ROOT / "device")
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    too_long = {n: length for n, length in lengths.items() if length > LONGEST}
    assert too_long == {}


def test_nothing_unpickles_or_runs_text() -> None:
    wrong = []
    for path in modules(TRAIN, HOST, ROOT / "device"):
        wrong += [f"{name_of(path)}: {module}" for module in imports(path) if module.split(".")[0] in UNSAFE_MODULES]
        for call in calls(path):
            called = ast.unparse(call.func)
            allows = any(k.arg == "allow_pickle" and ast.unparse(k.value) != "False" for k in call.keywords)
            if called in UNSAFE_CALLS or allows:
                wrong.append(f"{name_of(path)}, line {call.lineno}: {called}")
    assert wrong == []


def test_what_is_shared_of_the_board_imports_under_cpython() -> None:
    for name in sorted(SHARED - {"VERSION"}):
        assert importlib.import_module(f"offbeat.device.{name}").__doc__
