"""C source taken apart into its top-level items, as far as one generated file made of several needs it.

Not a C parser: it knows tokens, brackets and preprocessor lines, which is enough for sources in the runtime's style
(one declaration an item, brackets that balance within each branch of a conditional).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

__all__ = [
    "Conditional", "Item", "Node",
    "items_of", "mapped", "openings", "renamed", "resolved", "split", "text_of", "words",
]  # fmt: skip

_TOKEN = re.compile(
    r"""(?P<comment>/\*.*?\*/|//[^\n]*)
      | (?P<directive>^[ \t]*\#(?:[^\n\\]|\\\n|\\.)*)
      | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<word>[A-Za-z_]\w*)
      | (?P<number>\.?\d(?:[\w.]|[eEpP][+-])*)
      | (?P<space>\s+)
      | (?P<mark>->|.)""",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_WORD = re.compile(r"\b[A-Za-z_]\w*")
_CONDITION = re.compile(r"\s*#\s*(ifdef|ifndef|if|elif|else|endif)\b\s*(.*)", re.DOTALL)
_OPEN, _CLOSE = "([{", ")]}"


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    return ((str(found.lastgroup), found.group()) for found in _TOKEN.finditer(text))


def words(text: str) -> set[str]:
    """Identifiers of a text, those of preprocessor lines included, those of comments and strings not."""
    found: set[str] = set()
    for kind, token in _tokens(text):
        if kind == "word":
            found.add(token)
        elif kind == "directive":
            found |= {name for inner, name in _tokens(token.replace("#", " ")) if inner == "word"}
    return found


def renamed(text: str, names: Mapping[str, str], labels: Collection[str] = (), comments: bool = False) -> str:
    """The text with identifiers renamed, but for members of structures (after a dot or an arrow).

    labels: those of the names that are renamed within strings too, because assembler names them; comments: whether the
    names are renamed in comments as well.
    """

    in_assembler = re.compile("|".join(map(re.escape, sorted(labels))) or r"(?!)")

    def rename(source: str) -> Iterator[str]:
        before = ""
        for kind, token in _tokens(source):
            if kind == "directive":
                sharp = token.index("#") + 1
                yield token[:sharp] + "".join(rename(token[sharp:]))
            elif kind == "comment" and comments:
                yield _WORD.sub(lambda found: names.get(found.group(), found.group()), token)
            elif kind == "string":
                yield in_assembler.sub(lambda found: names[found.group()], token)
            else:
                yield names.get(token, token) if kind == "word" and before not in (".", "->") else token
            if kind not in ("space", "comment"):
                before = token

    return "".join(rename(text))


@dataclass(frozen=True)
class Item:
    """A function, declaration or preprocessor line with the comment before it. names: what it defines."""

    text: str
    names: frozenset[str] = frozenset()
    kind: str = "line"
    """function, prototype, typedef, enum, object, assembler, define, undef, or line: any other preprocessor line."""


@dataclass(frozen=True)
class Conditional:
    """#if to #endif. branches: the opening line of each, and what stands in it."""

    branches: tuple[tuple[str, tuple[Node, ...]], ...]


Node = Item | Conditional


def items_of(nodes: Iterable[Node]) -> Iterator[Item]:
    """All items, those within conditionals included."""
    for node in nodes:
        if isinstance(node, Item):
            yield node
        else:
            for _, inner in node.branches:
                yield from items_of(inner)


def openings(nodes: Iterable[Node]) -> Iterator[str]:
    """The lines that begin the branches of all conditionals, those within others included."""
    for node in nodes:
        if isinstance(node, Conditional):
            for opening, inner in node.branches:
                yield opening
                yield from openings(inner)


def text_of(nodes: Iterable[Node]) -> str:
    """The source again; a conditional without any item is left out."""
    parts = []
    for node in nodes:
        if isinstance(node, Item):
            parts.append(node.text.strip("\n") + "\n")
        elif any(items_of([node])):
            for opening, inner in node.branches:
                parts += [opening.strip("\n") + "\n", text_of(inner)]
            parts.append("#endif\n")
    return "".join(
        part if i == 0 or part.startswith("#") or parts[i - 1].startswith("#if") else "\n" + part
        for i, part in enumerate(parts)
    )


def _defined(kind: str, tokens: list[tuple[str, str]]) -> frozenset[str]:
    """Names that a declaration without comments and spaces defines."""
    flat = [token for _, token in tokens]
    if kind == "enum":
        body = flat[flat.index("{") + 1 :]
        return frozenset(
            word for i, word in enumerate(body) if tokens[flat.index("{") + 1 + i][0] == "word" and _starts(body, i)
        )
    outer, depth = [], 0
    for token in flat:
        depth -= token in _CLOSE
        if depth == 0 and token not in ("}", ")", "]"):
            outer.append(token)
        depth += token in _OPEN
    ends = {"typedef": ("[", ";"), "object": ("[", "=", ";")}.get(kind, ("(",))
    if kind == "typedef" and "(" in outer:  # a pointer to a function
        raise ValueError("a type of pointers to functions is not understood: name it inside a structure")
    place = next(i for i, token in enumerate(outer) if token in ends)
    return frozenset({outer[place - 1]})


def _starts(body: list[str], i: int) -> bool:
    """Whether the word at i is an enumerator's name and not part of its value."""
    return i == 0 or body[i - 1] == ","


def _without_attributes(code: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Tokens without those of GNU's __attribute__((…))."""
    left, depth, inside = [], 0, False
    for kind, mark in code:
        inside = inside or mark == "__attribute__"
        if not inside:
            left.append((kind, mark))
        depth += inside * ((mark == "(") - (mark == ")"))
        inside = inside and (depth > 0 or mark != ")")
    return left


def _item(tokens: list[tuple[str, str]]) -> Item:
    text = "".join(token for _, token in tokens)
    code = _without_attributes([pair for pair in tokens if pair[0] not in ("comment", "space", "directive")])
    flat = [token for _, token in code]
    if flat[0] == "__asm__":
        return Item(text, frozenset(), "assembler")
    if flat[0] == "typedef":
        kind = "typedef"
    elif flat[0] == "enum" and "{" in flat:
        kind = "enum"
    elif "(" in flat and ("=" not in flat or flat.index("(") < flat.index("=")):
        kind = "function" if flat[-1] == "}" else "prototype"
    else:
        kind = "object"
    return Item(text, _defined(kind, code), kind)


@dataclass
class _Open:
    """A conditional whose #endif has not come yet."""

    branches: list[tuple[str, list[Node]]] = field(default_factory=list)


class _Splitter:
    def __init__(self) -> None:
        self.top: list[Node] = []
        self.open: list[_Open] = []
        self.current: list[tuple[str, str]] = []
        self.depth = 0

    def _add(self, node: Node) -> None:
        (self.open[-1].branches[-1][1] if self.open else self.top).append(node)

    def _code(self) -> list[str]:
        return [token for kind, token in self.current if kind not in ("comment", "space", "directive")]

    def _flush_comment(self) -> str:
        text = "".join(token for _, token in self.current).lstrip("\n")
        self.current = []
        return text

    def directive(self, line: str) -> None:
        """A preprocessor line between items."""
        found = _CONDITION.match(line)
        if found is None:
            name = re.match(r"\s*#\s*(define|undef)\s+(\w+)", line)
            comment = self._flush_comment()
            names = frozenset({name.group(2)}) if name else frozenset()
            self._add(Item(comment + line, names, name.group(1) if name else "line"))
        elif found.group(1) in ("ifdef", "ifndef", "if"):
            self.open.append(_Open([(self._flush_comment() + line, [])]))
        elif found.group(1) == "endif":
            self.current = []
            ended = self.open.pop()
            self._add(Conditional(tuple((opening, tuple(inner)) for opening, inner in ended.branches)))
        else:
            self.current = []
            self.open[-1].branches.append((line, []))

    def token(self, kind: str, token: str) -> None:
        """Anything else."""
        self.current.append((kind, token))
        if kind not in ("mark", "word"):
            return
        if token in _OPEN:
            self.depth += 1
        elif token in _CLOSE:
            self.depth -= 1
        if self.depth:
            return
        code = self._code()
        body = token in _CLOSE and "{" in code and code[code.index("{") - 1] == ")"
        if body or token in (";",):
            self._add(_item(self.current))
            self.current = []


def split(text: str) -> list[Node]:
    """Take a source apart. Raises ValueError where brackets or conditionals do not balance."""
    splitter = _Splitter()
    for kind, token in _tokens(text):
        if kind == "directive" and not splitter.depth and not splitter._code():
            splitter.directive(token)
        else:
            splitter.token(kind, token)
    if splitter.open or splitter.depth or splitter._code():
        raise ValueError("brackets or conditionals of the C source do not balance")
    return splitter.top


def _known(line: str, defined: Mapping[str, bool]) -> bool | None:
    """What an opening line comes to, where it asks for one of the known macros only."""
    found = _CONDITION.match(line)
    if found is None:
        return None
    word, rest = found.group(1), re.sub(r"/\*.*?\*/", "", found.group(2)).strip()
    asked = re.fullmatch(r"(!?)\s*defined\s*\(?\s*(\w+)\s*\)?", rest) if word in ("if", "elif") else None
    name, negated = (asked.group(2), bool(asked.group(1))) if asked else (rest, word == "ifndef")
    if name not in defined or (asked is None and word not in ("ifdef", "ifndef")):
        return None
    return defined[name] != negated


@dataclass
class _Level:
    """A conditional while lines pass. kept: whether its own lines stay; shown: whether what is in it does."""

    kept: bool
    shown: bool
    value: bool | None


def resolved(text: str, defined: Mapping[str, bool]) -> str:
    """The text with the conditionals on known macros carried out; others stay. defined: macro -> whether it is."""
    lines: list[str] = []
    levels: list[_Level] = []
    for line in re.split(r"(?<=[^\\])\n", text):
        found = _CONDITION.match(line)
        shown = all(level.shown for level in levels)
        if found is None:
            if shown:
                lines.append(line)
            continue
        word = found.group(1)
        if word in ("if", "ifdef", "ifndef"):
            value = _known(line, defined)
            levels.append(_Level(value is None, value is not False, value))
            if value is None and shown:
                lines.append(line)
            continue
        level = levels[-1]
        outer = all(each.shown for each in levels[:-1])
        if word == "endif":
            levels.pop()
        elif level.value is not None:
            if word == "elif":
                raise ValueError("#elif after a condition on a known macro is not understood")
            level.shown = not level.value
        if level.kept and outer:
            lines.append(line)
    return "\n".join(lines)


def mapped(nodes: Iterable[Node], change: Callable[[Item], Item | None]) -> list[Node]:
    """The tree with each item changed, or left out where change gives None."""
    result: list[Node] = []
    for node in nodes:
        if isinstance(node, Item):
            changed = change(node)
            if changed is not None:
                result.append(changed)
        else:
            branches = tuple((opening, tuple(mapped(inner, change))) for opening, inner in node.branches)
            result.append(replace(node, branches=branches))
    return result
