"""The float originals of scikit-learn and PyOD, on the protocol's features and on offbeat's, as floats.

Where a choice is theirs to make, it is made in their favour and in hindsight: the features with the best AUROC, and of
four threshold rules the one with the best F1.
"""

from __future__ import annotations

import pickle
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.covariance import EllipticEnvelope, LedoitWolf
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.mixture import GaussianMixture
from sklearn.neural_network import MLPRegressor
from sklearn.svm import OneClassSVM

from benchmarks.float_features import FloatPipeline
from offbeat.train import OffbeatDetector
from offbeat.train.arrays import to_counts
from offbeat.train.pipeline import cut_windows

from .cases import DataSet, protocols
from .measures import delays, figures

__all__ = ["CONTROLS", "ORIGINALS", "ORIGINAL_OF", "judge_control", "judge_original"]

Floats = NDArray[np.float64]
Fitted = tuple[Any, Callable[[Floats], Floats]]

_MOST_FITTED = 5000  # rows, evenly spread: some take the square of that in time or memory


def _mahalanobis(rows: Floats) -> Fitted:
    model = LedoitWolf().fit(rows)
    return model, model.mahalanobis


def _elliptic(rows: Floats) -> Fitted:
    model = EllipticEnvelope(random_state=0).fit(rows)
    return model, model.mahalanobis


def _kmeans(rows: Floats) -> Fitted:
    model = KMeans(min(8, len(rows)), n_init=4, random_state=0).fit(rows)
    return model, lambda some: (model.transform(some) ** 2).min(axis=1)


def _mixture(rows: Floats) -> Fitted:
    model = GaussianMixture(4, reg_covar=1e-3, random_state=0).fit(rows)
    return model, lambda some: -model.score_samples(some)


def _pca(rows: Floats) -> Fitted:
    """T² and Q, each over its 99 % quantile in training, the larger."""
    model = PCA(0.85, svd_solver="full").fit(rows)
    variance = np.maximum(model.explained_variance_, 1e-9)

    def statistics(some: Floats) -> Floats:
        score = model.transform(some)
        rest = some - model.inverse_transform(score)
        return np.stack([(score**2 / variance).sum(axis=1), (rest**2).sum(axis=1)])

    limits = np.maximum(np.quantile(statistics(rows), 0.99, axis=1), 1e-9)[:, None]
    return (model, limits), lambda some: (statistics(some) / limits).max(axis=0)


def _forest(rows: Floats) -> Fitted:
    model = IsolationForest(random_state=0).fit(rows)
    return model, lambda some: -model.score_samples(some)


def _svm(rows: Floats) -> Fitted:
    model = OneClassSVM(nu=0.02).fit(rows)
    return model, lambda some: -model.score_samples(some)


def _pyod(name: str) -> Callable[[Floats], Fitted]:
    def fit(rows: Floats) -> Fitted:
        from pyod.models.knn import KNN
        from pyod.models.lof import LOF

        model = {"KNN": KNN, "LOF": LOF}[name]()
        model.fit(rows)
        return model, model.decision_function

    return fit


def _autoencoder(rows: Floats) -> Fitted:
    width = rows.shape[1]
    layers = (2 * width, max(width // 3, 2), 2 * width)
    model = MLPRegressor(hidden_layer_sizes=layers, early_stopping=len(rows) >= 200, max_iter=300, random_state=0).fit(
        rows, rows
    )
    return model, lambda some: ((some - model.predict(some).reshape(some.shape)) ** 2).sum(axis=1)


ORIGINALS: dict[str, Callable[[Floats], Fitted]] = {
    "LedoitWolf": _mahalanobis,
    "EllipticEnvelope": _elliptic,
    "KMeans": _kmeans,
    "GaussianMixture": _mixture,
    "PCA T²+Q": _pca,
    "IsolationForest": _forest,
    "OneClassSVM": _svm,
    "KNN (PyOD)": _pyod("KNN"),
    "LOF (PyOD)": _pyod("LOF"),
    "MLP autoencoder": _autoencoder,
}
"""Float detectors by the name that tables show; each fits standardised rows float64 [n, F]."""

ORIGINAL_OF: dict[str, str] = {
    "gaussian": "LedoitWolf", "kmeans": "KMeans", "mixture": "GaussianMixture", "pca": "PCA T²+Q",
    "forest": "IsolationForest", "prototypes": "OneClassSVM", "autoencoder": "MLP autoencoder",
}  # fmt: skip
"""The original of a family; autoregressive and ensemble have none there."""


# -- features ---------------------------------------------------------------------------------------------------


Rows = tuple[Floats, Floats]
"""Feature rows of training and of the test."""


def _smoothed(x: Floats, length: int) -> Floats:
    """Causal mean of the last so many rows."""
    total = np.cumsum(np.concatenate([np.zeros((1, x.shape[1])), x]), axis=0)
    stop = np.arange(1, len(x) + 1)
    start = np.maximum(stop - length, 0)
    return (total[stop] - total[start]) / (stop - start)[:, None]


def _without_baseline(x: Floats, train: int, step: float) -> Floats:
    """Rows less a baseline that follows by at most ``step`` standard deviations of training a row."""
    deviation = np.maximum(x[:train].std(axis=0), 1e-9)
    scores = (x - x[:train].mean(axis=0)) / deviation
    baseline = np.zeros(x.shape[1])
    for row in scores:
        baseline = baseline + np.clip(row - baseline, -step, step)
        row -= baseline
    return scores


def _trend(x: Floats, day: int) -> Floats:
    """Value, difference, and what it is above the mean of 12 rows and of a day."""
    return np.concatenate([x, np.diff(x, axis=0, prepend=x[:1]), x - _smoothed(x, 12), x - _smoothed(x, day)], axis=1)


def _of_stream(case: Any, rate: float) -> dict[str, Rows]:
    cut = len(case.train)
    x = np.concatenate([case.train, case.test])
    smooth = _smoothed(x, 60)
    made = {
        "rows": x,
        "mean of 60 rows": smooth,
        "mean of 60 rows, slow baseline": _without_baseline(smooth, cut, 0.01),
        "trend": _trend(x, min(max(round(86400 * rate), 2), 1440)),
    }
    return {name: (rows[:cut], rows[cut:]) for name, rows in made.items()}


def _of_windows(case: Any) -> dict[str, Rows]:
    module = protocols()
    makers = {"8 bands": module.band_features(8), "statistics": module.stats_features}
    return {name: (make(case.train), make(case.test)) for name, make in makers.items()}


def _offbeats(case: Any, rate: float) -> Rows:
    """Standard scores, in floats, of the features that offbeat chooses for its Gaussian."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        detector = OffbeatDetector(family="gaussian", rate=rate).fit(case.train)
    pipeline = detector.training_.pipeline
    twin = FloatPipeline(pipeline, detector.training_.chosen.family)

    def rows(values: NDArray[Any], before: int) -> Floats:
        counts = to_counts(values.reshape(-1, values.shape[-1]), detector.scales_)
        if case.kind == "window":
            return twin.standard_scores(counts.reshape(values.shape))
        found = twin.standard_scores(cut_windows(counts, pipeline.window, pipeline.hop))
        return np.concatenate([np.zeros((before, found.shape[1])), found])

    return rows(case.train, 0), rows(case.test, 0 if case.kind == "window" else pipeline.window - 1)


def features_of(data_set: DataSet, case: Any) -> dict[str, Rows]:
    """Every set of features that the originals get, by name."""
    own = _of_windows(case) if case.kind == "window" else _of_stream(case, data_set.rate)
    return own | {"offbeat's": _offbeats(case, data_set.rate)}


# -- judgement --------------------------------------------------------------------------------------------------


def _rules() -> dict[str, Callable[[Floats], float]]:
    module = protocols()
    return {
        "99 % of training": module.quantile_rule(0.99),
        "highest of training": module.quantile_rule(1.0),
        "3 times highest of training": lambda s: float(np.median(s) + 3 * (np.max(s) - np.median(s))),
        "mean + 3 sigma": module.gauss_rule(3.0),
    }


def _fit(rows: Rows, fit: Callable[[Floats], Fitted]) -> tuple[Floats, Floats, float, int]:
    """Scores of test and training rows, CPU seconds of the fit, and bytes of the pickled model."""
    train, test = rows
    center, deviation = train.mean(axis=0), train.std(axis=0)
    deviation = np.where(deviation > 1e-9, deviation, 1.0)
    train, test = (train - center) / deviation, (test - center) / deviation
    start = time.process_time()
    model, score = fit(train[:: -(-len(train) // _MOST_FITTED)])
    seconds = time.process_time() - start
    finite = [np.nan_to_num(np.asarray(score(some), dtype=np.float64), posinf=1e30) for some in (test, train)]
    return finite[0], finite[1], seconds, len(pickle.dumps(model))


def _of_features(
    data_set: DataSet, cases: Sequence[Any], rows: Sequence[Rows], fit: Callable[[Floats], Fitted]
) -> dict:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = [_fit(each, fit) for each in rows]
    scores = [(test, train) for test, train, _, _ in fitted]
    best: dict[str, Any] = {}
    for name, rule in _rules().items():
        found = figures(cases, scores, rule)
        if not best or found["f1"] > best["f1"]:
            best = found | {"rule": name}
    over = [test > _rules()[best["rule"]](train) for test, train in scores]
    return best | {
        "bytes": max(size for *_, size in fitted),
        "seconds": sum(seconds for _, _, seconds, _ in fitted),
        "delays": [d for case, each in zip(cases, over, strict=True) for d in delays(case, each, data_set.rate)],
    }


def judge_original(data_set: DataSet, cases: Sequence[Any], names: Sequence[str]) -> Mapping[str, dict]:
    """Fit and score originals on every set of features; figures by name of the original and of the features."""
    every = [features_of(data_set, case) for case in cases]
    found: dict[str, dict] = {}
    for name in names:
        for kind in every[0]:
            try:
                found[f"{name}|{kind}"] = _of_features(data_set, cases, [each[kind] for each in every], ORIGINALS[name])
            except (ValueError, np.linalg.LinAlgError) as error:  # an estimator that cannot be fitted to these rows
                found[f"{name}|{kind}"] = {"failed": " ".join(str(error).split())[:200]}
    return found


CONTROLS: dict[str, Callable[[Floats], Floats]] = {
    "mean": lambda windows: windows.mean(axis=1),
    "RMS": lambda windows: np.log(windows.std(axis=1) + 1e-12),
}
"""One number a channel and window float64 [W, N, C], by name: what is found by it alone is no merit of a model."""


def judge_control(data_set: DataSet, cases: Sequence[Any]) -> Mapping[str, dict]:
    """The Mahalanobis distance of each control's numbers; figures by name, for cases of windows."""
    return {
        name: _of_features(data_set, cases, [(make(case.train), make(case.test)) for case in cases], _mahalanobis)
        for name, make in CONTROLS.items()
    }
