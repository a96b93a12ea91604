"""One forest of 20 trees, the same in every contender's form."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offbeat.train.families import Family
from offbeat.train.families.forest import Forest

from .programs import Program
from .workloads import Data, data

__all__ = ["ours", "peers", "teacher"]

TREES, LEAVES = 20, 16
_VOTES = 1000


@cache
def teacher() -> Any:
    """scikit-learn's forest of integer standard scores (Q7): whether a window is as near the middle as half of them."""
    from sklearn.ensemble import RandomForestClassifier

    scores = np.concatenate([data().scores, np.clip(data().scores * 3, -8191, 8191)])
    size = (scores.astype(np.float64) ** 2).sum(axis=1)
    forest = RandomForestClassifier(TREES, max_leaf_nodes=LEAVES, max_features=6, random_state=1)
    return forest.fit(scores, size > 2 * np.median(size))


def _words(tree: Any) -> NDArray[np.int32]:
    """scikit-learn's tree in the words of offbeat's model file, a leaf being its majority's vote."""
    words: list[int] = []

    def leaves(node: int) -> int:
        left, right = tree.children_left[node], tree.children_right[node]
        return 1 if left < 0 else leaves(left) + leaves(right)

    def walk(node: int) -> None:
        left, right = int(tree.children_left[node]), int(tree.children_right[node])
        if left < 0:
            words.append(_VOTES * int(np.argmax(tree.value[node][0])))
            return
        words.extend([int(tree.feature[node]) + 256 * leaves(left) - 32768, int(np.floor(tree.threshold[node]))])
        walk(left)
        walk(right)

    walk(0)
    return np.array(words, dtype=np.int32)


def ours() -> Family:
    """The same trees as a family of offbeat's; beyond them it has bounds, as each of its forests."""
    trees = tuple(_words(one.tree_) for one in teacher().estimators_)
    bounds = np.stack([data().scores.min(axis=0), data().scores.max(axis=0)]).astype(np.int32)
    return Forest(trees, bounds, 0, 20).scaled_to(TREES * _VOTES // 2)


def _majority(inputs: NDArray[np.integer]) -> NDArray[np.float64]:
    votes = np.stack([one.predict(inputs.astype(np.float32)) for one in teacher().estimators_])
    return (votes.mean(axis=0) > 0.5).astype(np.float64)[:, None]


def peers(known: Data) -> list[Program]:
    """The trees in emlearn's two forms, in m2cgen's and in micromlgen's; each votes for a class."""
    import emlearn
    import m2cgen
    import micromlgen

    include = (Path(emlearn.includedir),)
    inputs, expected = known.test_scores.astype("<i2"), _majority(known.test_scores)
    work, found = "forest of 20", []
    for form, name in (("inline", "if-else"), ("loadable", "table")):
        model = emlearn.convert(teacher(), method=form, dtype="int16_t", leaf_bits=0)
        code = "#include <stdint.h>\n#include <eml_trees.h>\n" + model.save(name="em", inference=[form])
        code += "void peer_start(void) {}\nvoid peer_run(const int16_t *input, float *output) "
        code += "{ *output = (float)em_predict(input, 24); }\n"
        found.append(Program(work, f"emlearn, {name}", code, inputs, expected, include=include))
    code = (
        m2cgen.export_to_c(teacher()) + "void peer_start(void) {}\nvoid peer_run(const double *input, float *output) "
    )
    code += "{ double votes[2]; score((double *)input, votes); *output = (float)votes[1]; }\n"
    chances = teacher().predict_proba(known.test_scores)[:, 1:]
    found.append(Program(work, "m2cgen", code, known.test_scores.astype("<f8"), chances, note="double"))
    code = "#include <stdint.h>\n" + micromlgen.port(teacher()).replace("<cstdarg>", "<stdarg.h>")
    code += 'static Eloquent::ML::Port::RandomForest forest;\nextern "C" { void peer_start(void) {}\n'
    code += "void peer_run(const float *input, float *output) { *output = forest.predict((float *)input); } }\n"
    found.append(Program(work, "micromlgen", code, known.test_scores.astype("<f4"), expected, plus=True))
    return found
