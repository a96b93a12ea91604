"""The trainer as a scikit-learn outlier detector, for notebooks and pipelines."""

from __future__ import annotations

import warnings
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_array, check_is_fitted

from offbeat.device.modelfile import parse

from .arithmetic import Int32
from .arrays import ArrayReader, scales_of, to_counts
from .budget import parse_budget
from .errors import InputError
from .modeldir import Written, write_model_directory
from .modelfile import Decision
from .pipeline import Pipeline, cut_windows
from .training import Options, default_hop, default_window, train

__all__ = ["OffbeatDetector"]

Floats = NDArray[np.float64]


def _labels(y: Any, values: NDArray[Any]) -> NDArray[np.str_]:
    """Labels of all samples, str [n], from one a row or one a window."""
    if y is None:
        raise InputError('choose_by="labels" needs y in fit(): one label a row of X, or a window')
    given = np.asarray(y)
    if given.shape != values.shape[:1]:
        raise ValueError(f"y has the shape {given.shape}, X has {len(values)} rows or windows; give one label each")
    if set(np.unique(given).tolist()) == {-1, 1}:
        given = np.where(given == 1, 0, 1)
    return np.repeat(given.astype(str), values.shape[1] if values.ndim == 3 else 1)


class OffbeatDetector(OutlierMixin, BaseEstimator):
    """An integer anomaly detector for a microcontroller, trained on normal data.

    X is samples x channels, a stream in order of time, or windows x samples x channels, each window for itself;
    floats, or integer counts. What is computed is what the board computes.

    Parameters
    ----------
    family: "auto", or a family of ``offbeat train --family``.
    rate: sampling rate in Hz; None: 1 Hz for a stream, and nothing depends on it for windows.
    window, hop: samples; None: chosen from the rate; of windows, their own length.
    features: "auto", or a set of ``offbeat train --features``.
    false_alarms: the budget, as "1/day".
    choose_by: "injected" faults, or "labels": the y of fit(), of which earlier faults choose and none is learned from.
    seed: same seed and data, same model.

    Attributes
    ----------
    threshold_: score_samples() below which a row or window is an outlier, -256; offset_: the same, as scikit-learn
    names it; training_: all that training found; n_features_in_: channels.

    Examples
    --------
    >>> import numpy as np
    >>> from offbeat.train import OffbeatDetector
    >>> normal = np.random.default_rng(0).normal(0, 100, (200, 64, 3))
    >>> detector = OffbeatDetector(family="gaussian").fit(normal)
    >>> detector.predict(3 * normal[:2])
    array([-1, -1])
    """

    def __init__(
        self,
        family: str = "auto",
        rate: float | None = None,
        window: int | None = None,
        hop: int | None = None,
        features: str = "auto",
        false_alarms: str = "1/day",
        seed: int = 0,
        choose_by: str = "injected",
    ) -> None:
        self.family = family
        self.rate = rate
        self.window = window
        self.hop = hop
        self.features = features
        self.false_alarms = false_alarms
        self.seed = seed
        self.choose_by = choose_by

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803  scikit-learn's names
        """Train on normal data.

        y: with choose_by="labels" one a row or a window: 1 for normal and -1 for faults as predict() says them, or the
        labels of a recording, of which "normal", "" and 0 are normal; else it is ignored.
        Raises InputError, a ValueError, where X cannot be trained on.
        """
        values = self._checked(X)
        labels = _labels(y, values) if self.choose_by == "labels" else None
        self.n_features_in_ = values.shape[-1]
        self.scales_ = scales_of(values.reshape(-1, values.shape[-1]))
        counts = to_counts(values.reshape(-1, values.shape[-1]), self.scales_)
        windows = values.ndim == 3
        rate = self.rate or (100.0 if windows else 1.0)
        window = values.shape[1] if windows else self.window or default_window(rate)
        hop = window if windows else self.hop or default_hop(rate, window)
        options = Options(
            family=self.family, window=window, hop=hop, budget=parse_budget(self.false_alarms),
            features=self.features, decision=Decision(k=1, n=1), seed=self.seed, name="detector", apart=windows,
            choose_by=self.choose_by,
        )  # fmt: skip
        self.training_ = train([ArrayReader(counts, rate, self.scales_, "X", labels)], options)
        self.threshold_ = self.offset_ = -256.0
        for text in self.training_.warnings:
            warnings.warn(text, UserWarning, stacklevel=2)
        self._usual = float(np.median(self.training_.held_out_scores()))
        return self

    def score_samples(self, X: Any) -> Floats:  # noqa: N803
        """How normal each row (of the last window that ended by then) or window is: minus the board's score.

        Returns float64 [n] or [W], higher is more normal, -256 is the threshold. Rows before the first window has
        ended have no verdict yet and get the median of the training data.
        """
        check_is_fitted(self, "training_")
        values = self._checked(X)
        if values.shape[-1] != self.n_features_in_:
            raise ValueError(
                f"X has {values.shape[-1]} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input"
            )
        pipeline = self.training_.pipeline
        counts = to_counts(values.reshape(-1, values.shape[-1]), self.scales_)
        if values.ndim == 3:
            if values.shape[1] != pipeline.window:
                raise ValueError(f"X has windows of {values.shape[1]} samples, {pipeline.window} were trained on")
            features = pipeline.extract(counts.reshape(values.shape))
            return -self._fine_score(pipeline.vectors(features))
        result = np.full(len(counts), -self._usual)
        windows = cut_windows(counts, pipeline.window, pipeline.hop)
        if len(windows):
            scores = -self._fine_score(pipeline.vectors(pipeline.extract(windows)))
            last = (np.arange(pipeline.window - 1, len(counts)) - pipeline.window + 1) // pipeline.hop
            result[pipeline.window - 1 :] = scores[np.minimum(last, len(scores) - 1)]
        return result

    def _fine_score(self, vectors: Int32) -> Floats:
        """The board's score before its last rounding, so that windows far below the threshold keep their order."""
        distances = self.training_.chosen.family.distances(vectors).astype(np.float64)
        return distances * 256 / self.training_.calibration.threshold

    def decision_function(self, X: Any) -> Floats:  # noqa: N803
        """score_samples() less the threshold: negative for outliers."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> NDArray[np.int64]:  # noqa: N803
        """-1 for outliers, 1 for what is normal: int64 [n] or [W]."""
        return np.where(self.decision_function(X) <= 0, -1, 1)

    def save(self, directory: str | Path) -> Written:
        """Write the model directory that ``offbeat train`` writes."""
        check_is_fitted(self, "training_")
        return write_model_directory(self.training_, Path(directory))

    def __getstate__(self) -> dict[str, Any]:
        """For copies and worker processes: the pipeline, which looks into the model file's bytes, is made anew."""
        state = dict(super().__getstate__())
        if "training_" in state:
            state["training_"] = replace(self.training_, pipeline=None)  # type: ignore[arg-type]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what __getstate__() gave."""
        super().__setstate__(state)
        if "training_" in state:
            self.training_ = replace(self.training_, pipeline=Pipeline(parse(self.training_.model)))

    def _checked(self, X: Any) -> NDArray[Any]:  # noqa: N803
        values = check_array(X, allow_nd=True, ensure_2d=True, dtype="numeric", ensure_min_samples=2)
        if values.ndim > 3:
            raise ValueError(f"X has {values.ndim} dimensions; give samples x channels or windows x samples x channels")
        return values

    def _repr_html_(self) -> str:
        """A table of what was found, once fitted."""
        if not hasattr(self, "training_"):
            return f"<code>{escape(repr(self))}</code>"
        training = self.training_
        rows = [
            ("model", training.pipeline.model.identity), ("family", training.chosen.family.name),
            ("features", ", ".join(training.pipeline.names)), ("window", f"{training.pipeline.window} samples"),
            ("parameters", f"{training.chosen.size} B"), ("threshold", training.calibration.statement),
        ]  # fmt: skip
        cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>" for name, value in rows)
        return f"<table><caption>{escape(type(self).__name__)}</caption>{cells}</table>"
