"""What every model family offers to the trainer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from offbeat.device.learning import reduce_and_gain
from offbeat.train.arithmetic import Int32

__all__ = ["Family", "reduce_and_gain", "unit_ratio"]


class Family(ABC):
    """A fitted family: integers only. Score 256 is the threshold, whatever the family."""

    name: ClassVar[str]
    number: ClassVar[int]
    stateful: ClassVar[bool] = False
    """Whether a score depends on the windows before it; vectors are then one stretch in order of time."""

    usual_size: ClassVar[int] = 8192
    """Bytes of parameters that a model takes at most where the choice of features leaves that open."""

    variants: ClassVar[tuple[Mapping[str, Any], ...]] = ({},)
    """Settings of ``fit`` that an automatic search tries, the smallest model first."""

    @classmethod
    @abstractmethod
    def fit(cls, scores: NDArray[np.float64], seed: int, **settings: Any) -> Self:
        """Fit to standard scores, float64 [W, F], of normal windows, and quantize; the threshold is provisional.

        settings: the family's own; without any, the fit chooses. A stateful family takes ``runs``, the lengths of
        the stretches that follow one another in ``scores``.
        """

    @classmethod
    @abstractmethod
    def from_parameters(cls, parameters: bytes | memoryview, count: int) -> Self:
        """The family as a model file's parameter section holds it, for ``count`` features."""

    @abstractmethod
    def parameters(self) -> bytes:
        """The parameter section of the model file."""

    @abstractmethod
    def distances(self, vectors: Int32) -> Int32:
        """Relative squared distances of vectors int32 [W, F] (Q7), on the scale of ``scaled_to``; int32 [W]."""

    @property
    def own_unit(self) -> bool:
        """Whether the unit of distances is this fit's own, so that another fit's need ``unit_ratio``."""
        return False

    @abstractmethod
    def scaled_to(self, threshold: int) -> Self:
        """The same family with its threshold at this distance."""

    @abstractmethod
    def score(self, vectors: Int32) -> Int32:
        """Scores of vectors int32 [W, F] (Q7); int32 [W], 256 = threshold."""

    @abstractmethod
    def contributions(self, vectors: Int32) -> Int32:
        """What each feature adds to the score, int32 [W, F]; the sum is the score but for rounding."""

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """What was chosen of the model's size and shape, for tables."""

    @property
    def chosen(self) -> dict[str, Any]:
        """The settings of ``fit`` that the data decide, by which a fit to a part of them is of the same size."""
        return {}

    @property
    @abstractmethod
    def operations(self) -> int:
        """Steps of the inner loops (multiply-accumulates, comparisons) for one score; for the cost model."""

    @abstractmethod
    def float_score(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Score of the float model before quantization, float64 [W], on the same scale.

        Only a fitted family has it; one read from a file raises RuntimeError.
        """


def unit_ratio(first: NDArray[np.floating | np.integer], second: NDArray[np.floating | np.integer]) -> float:
    """By how much the unit of one fit's distances [W] is smaller than another's, from the same windows by both.

    The ratio of their medians: the two were fitted to most of these windows, and the median is what they agree on.
    """
    one, other = float(np.median(first)), float(np.median(second))
    return one / other if one > 0 and other > 0 else 1.0
