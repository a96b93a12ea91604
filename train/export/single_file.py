"""One self-contained pair of C files: the model and, of the runtime's own sources, what this model needs.

No rule is written again: the runtime's files are joined, conditionals on what the model lacks are carried out, what
nothing reaches from the interface is left out, and everything but the interface becomes static.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from offbeat.device.modelfile import Model
from offbeat.train.errors import InputError
from offbeat.train.features import KINDS

from .csource import Item, Node, items_of, mapped, openings, renamed, resolved, split, text_of, words

__all__ = ["INLINE", "checked_prefix", "joined", "lacking", "prefixed"]

PUBLIC = "offbeat.h"
INLINE = "OFFBEAT_FOREST_INLINE"
"""The macro that says that a forest's trees are code."""
_GUARD = re.compile(r"#\s*ifndef (\w+_H)\n")
_HEAD = re.compile(r"\s*(/\*.*?\*/)\s*(?=#|static|const|enum|typedef|struct)", re.DOTALL)
_INCLUDE = re.compile(r"(?:\s|/\*.*?\*/)*#\s*include\s*([<\"])([^>\"]+)[>\"]", re.DOTALL)
_CXX = '#ifdef __cplusplus\nextern "C" {\n#endif\n'
_BEGINNING = """
/* Functions of several callers stay one each: in one file compilers would copy them, and the code would grow. */
#if defined(__clang__)
#define OFFBEAT_APART __attribute__((noinline))
#elif defined(__GNUC__)
#define OFFBEAT_APART __attribute__((noinline, noclone))
#else
#define OFFBEAT_APART
#endif

/* What this model does not have is left out, and with it the use of some parameters. */
#ifdef __GNUC__
#pragma GCC diagnostic ignored "-Wunused-parameter"
#endif
"""
_LABEL = re.compile(r"\.global (\w+)")
_COMPILER_MACROS = (
    "OFFBEAT_GOLDEN",
    "OFFBEAT_NAMES",
    "OFFBEAT_PLAIN",
    "OFFBEAT_NO_ALIAS_ANALYSIS",
)  # what a firmware defines, so no prefix changes them


def lacking(model: Model, members: Iterable[str]) -> dict[str, bool]:
    """The macros that say which parts of the runtime a model does without, and which members its ensemble has."""
    used = {KINDS[kind] for kind, *_ in model.features}
    found = {f"OFFBEAT_WITHOUT_{kind.upper()}": kind not in used for kind in KINDS}
    found["OFFBEAT_WITHOUT_BASELINE"] = not len(model.baseline)
    return found | {f"OFFBEAT_MEMBER_{name.upper()}": True for name in members}


@dataclass(frozen=True)
class _Part:
    """One source of the runtime, or the model's arrays, taken apart."""

    name: str
    head: str  # its first comment
    nodes: Sequence[Node]

    @property
    def stem(self) -> str:
        return re.sub(r"^offbeat_|\.[ch]$", "", self.name)

    @property
    def words(self) -> set[str]:
        return {word for item in items_of(self.nodes) for word in words(item.text)}

    def objects(self) -> set[str]:
        return {name for item in items_of(self.nodes) if item.kind == "object" for name in item.names}


class _Known(dict[str, bool]):
    """Macros of the runtime's own that are decided here: what is not listed is not defined."""

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.startswith(("OFFBEAT_WITHOUT_", "OFFBEAT_MEMBER_", INLINE))

    def __missing__(self, name: str) -> bool:
        return False


def _without_guard(text: str) -> str:
    guard = _GUARD.search(text)
    return text if guard is None else resolved(text, {guard.group(1): False, "__cplusplus": False})


def _part(name: str, text: str, known: Mapping[str, bool]) -> _Part:
    text = resolved(_without_guard(text), known)
    head = _HEAD.match(text)
    nodes = split(text[head.end() :] if head else text)
    labels = frozenset(_LABEL.findall(text))
    named = mapped(nodes, lambda item: replace(item, names=labels) if item.kind == "assembler" else item)
    return _Part(name, head.group(1) if head else "", named)


def _includes(parts: Iterable[_Part]) -> str:
    """Lines that include what the parts include of the C library, whatever the compiler."""
    lines = (_INCLUDE.match(item.text) for part in parts for item in part.nodes if isinstance(item, Item))
    return "".join(sorted({f"#include <{line.group(2)}>\n" for line in lines if line and line.group(1) == "<"}))


def _names(nodes: Iterable[Node]) -> set[str]:
    return {name for item in items_of(nodes) for name in item.names}


def _without_includes(part: _Part) -> _Part:
    kept = [node for node in part.nodes if not (isinstance(node, Item) and _INCLUDE.match(node.text))]
    return replace(part, nodes=kept)


def _apart(parts: Sequence[_Part], public: _Part) -> list[_Part]:
    """Names of one source's own that another one uses for something else get the source's name in front."""
    shared = {
        name for part in parts if part.name.endswith(".h") for item in items_of(part.nodes) for name in item.names
    }
    everywhere = {part.name: part.words for part in (*parts, public)}
    result = []
    for part in parts:
        own = {name for item in items_of(part.nodes) for name in item.names} - shared
        own = {name for name in own if not name.startswith(("offbeat_", "OFFBEAT_"))}
        others = set().union(*(words for name, words in everywhere.items() if name != part.name))
        names = {
            name: f"OFFBEAT_{part.stem.upper()}_{name}" if name.isupper() else f"offbeat_{part.stem}_{name}"
            for name in own & others
        }

        def change(item: Item, names: Mapping[str, str] = names) -> Item:
            return replace(item, text=renamed(item.text, names), names=frozenset(names.get(n, n) for n in item.names))

        result.append(replace(part, nodes=mapped(part.nodes, change)) if names else part)
    return result


def _in_order(parts: Sequence[_Part], offered: Mapping[str, set[str]]) -> list[_Part]:
    """A part after those that offer (by part) what it names. Raises ValueError where they need each other."""
    left, result = list(parts), []
    while left:
        ready = [part for part in left if not any(part.words & offered[o.name] for o in left if o is not part)]
        if not ready:
            raise ValueError("the runtime's sources name each other's objects in a circle")
        result.append(ready[0])
        left.remove(ready[0])
    return result


def _ordered(parts: Sequence[_Part]) -> list[_Part]:
    """Headers first, each after those whose names it uses; a source after those whose objects it names."""
    headers = [part for part in parts if part.name.endswith(".h")]
    sources = [part for part in parts if part.name.endswith(".c")]
    return [
        *_in_order(headers, {part.name: _names(part.nodes) for part in headers}),
        *_in_order(sources, {part.name: part.objects() for part in sources}),
    ]


def _reached(parts: Sequence[_Part], roots: Iterable[str]) -> set[str]:
    """Names that can be reached from the roots by what the items' texts mention."""
    places: dict[str, list[Item]] = {}
    for part in parts:
        for item in items_of(part.nodes):
            for name in item.names:
                places.setdefault(name, []).append(item)
    found: set[str] = set()
    waiting = {name for name in roots if name in places}
    while waiting:
        name = waiting.pop()
        found.add(name)
        for item in places[name]:
            if item.kind != "prototype":
                waiting |= {word for word in words(item.text) if word in places} - found
    return found


def _settled(item: Item, reached: set[str], linked: set[str]) -> Item | None:
    """Static where no other file and no assembler has to find it, and nothing where nobody needs it."""
    if item.names and not item.names & reached:
        return None
    if item.kind == "object" and re.search(r"^extern\b", item.text, re.MULTILINE):
        return None  # its definition stands before everything that uses it
    if item.kind in ("function", "prototype", "object") and not item.names & linked:
        return replace(item, text=_static(item.text, "static OFFBEAT_APART" if item.kind == "prototype" else "static"))
    return item


def _static(text: str, word: str) -> str:
    comment = re.match(r"(?:\s|/\*.*?\*/)*", text, re.DOTALL)
    at = comment.end() if comment else 0
    return text if re.match(r"(?:OFFBEAT_ALIGNED )?static\b", text[at:]) else f"{text[:at]}{word} {text[at:]}"


def _section(part: _Part, nodes: Sequence[Node]) -> str:
    body = text_of(nodes)
    if not body.strip():
        return ""
    return (
        f"\n/* ---- {part.name} ---- */\n{part.head}\n{body}" if part.head else f"\n/* ---- {part.name} ---- */\n{body}"
    )


def _header(header: str, public: _Part) -> str:
    """The model's header with the runtime's interface in it, without its objects, which are static now."""
    kept = mapped(_without_includes(public).nodes, lambda item: None if item.kind == "object" else item)
    before, after = header.split('#include "offbeat.h"\n')
    after = after.replace(_CXX, "", 1).lstrip("\n")
    return f"{before}{_includes([public])}\n{_CXX}\n{public.head}\n{text_of(kept)}\n{after}"


def joined(runtime: Mapping[str, str], model: tuple[str, str], lacks: Mapping[str, bool], name: str) -> dict[str, str]:
    """Make one pair of files. Returns {name.h: text, name.c: text}.

    runtime: the sources that the model needs, by name; model: texts of model.h and model.c for them; lacks: macros of
    ``lacking()``. Raises ValueError where the runtime has something that is not understood here.
    """
    known = _Known(lacks)
    header, arrays = model
    public = _part(PUBLIC, runtime[PUBLIC], known)
    sources = [_part(file, text, known) for file, text in sorted(runtime.items()) if file != PUBLIC]
    data = _part("model.c", arrays, known)
    includes = _includes([*sources, data]) + f'\n#include "{name}.h"\n'
    inner = {each for part in sources for each in part.objects()}
    interface = (_names(public.nodes) | _names(split(_without_guard(header)))) - inner
    parts = _apart([_without_includes(part) for part in (*sources, data)], public)
    asked = {word for part in parts for line in openings(part.nodes) for word in words(line)}
    reached = _reached(parts, interface | _names(parts[-1].nodes) | asked)
    linked = interface | {
        name for part in parts for item in items_of(part.nodes) if item.kind == "assembler" for name in item.names
    }
    body = "".join(
        _section(part, mapped(part.nodes, lambda item: _settled(item, reached, linked))) for part in _ordered(parts)
    )
    source = f"{data.head}\n{includes}{_BEGINNING}{body}"
    return {f"{name}.h": _header(header, public), f"{name}.c": source}


def checked_prefix(prefix: str) -> str:
    """A prefix for the generated names, if it is one. Raises InputError."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", prefix) or prefix.startswith("offbeat_"):
        raise InputError(
            f"--prefix {prefix} is no beginning of a C name; choose small letters, digits and underscores, "
            "a letter first, at most 31 of them: --prefix fan"
        )
    return prefix.rstrip("_")


def prefixed(text: str, prefix: str) -> str:
    """C text with `offbeat_` and `OFFBEAT_` of its names replaced, so that several models fit into one program."""
    names = {
        word: re.sub("^OFFBEAT_", prefix.upper() + "_", re.sub("^offbeat_", prefix + "_", word))
        for word in set(re.findall(r"\b\w+", text))
        if word.startswith(("offbeat_", "OFFBEAT_")) and word not in _COMPILER_MACROS
    }
    labels = {label for label in _LABEL.findall(text) if label in names}
    return renamed(text, names, labels, comments=True)
