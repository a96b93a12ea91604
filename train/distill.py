"""Distillation: a small student learns the outlier score of a teacher that no microcontroller could hold.

The student sees the user's windows and windows sampled around them, because where it is asked for is where no normal
window lies (model compression: C. Bucila, R. Caruana and A. Niculescu-Mizil, KDD 2006).
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from inspect import signature
from io import BytesIO
from typing import Any, Final, Protocol

import joblib
import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .families.base import Family

__all__ = [
    "STUDENTS",
    "Teacher",
    "bytes_in_float",
    "learn",
    "outlier_scores",
    "saved_bytes",
    "taught",
    "teacher_named",
]

Floats = NDArray[np.float64]

TEACHERS: Final[Mapping[str, tuple[str, str, Mapping[str, Any]]]] = {
    "isolation_forest": ("sklearn.ensemble", "IsolationForest", {"n_estimators": 300}),
    "one_class_svm": ("sklearn.svm", "OneClassSVM", {"nu": 0.02}),
    "local_outlier_factor": ("sklearn.neighbors", "LocalOutlierFactor", {"novelty": True}),
    "elliptic_envelope": ("sklearn.covariance", "EllipticEnvelope", {"support_fraction": 1.0}),
}
"""Teachers by short names; any other detector of scikit-learn or PyOD goes by ``module.Class``."""

STUDENTS: Final = ("forest", "prototypes")
"""Families that can learn a score; those that there are."""

_BYTES_OF_A_NUMBER: Final = {"forest": 2, "prototypes": 1}  # of most of the quantized student's parameters
_PACKAGES: Final = ("sklearn", "pyod", "offbeat")
_MOST_TAUGHT: Final = 5000  # windows that a teacher learns from: some take the square of that in memory
_AROUND: Final = 2  # sampled windows for each of the user's
_FARTHEST: Final = 6.0  # standard deviations that a sampled window lies off, at most


class Teacher(Protocol):
    """What a teacher must have: scikit-learn's outlier detectors have score_samples, PyOD's decision_function."""

    def fit(self, X: Floats) -> Any:  # noqa: N803
        """Learn what is normal from float64 [W, F]."""


def teacher_named(name: str, seed: int) -> Teacher:
    """A new teacher: a name of TEACHERS, or ``module.Class`` of scikit-learn or PyOD with its defaults.

    Raises InputError where there is none of that name.
    """
    module, _, kind = name.rpartition(".")
    settings: Mapping[str, Any] = {}
    if name in TEACHERS:
        module, kind, settings = TEACHERS[name]
    elif module.split(".")[0] not in _PACKAGES:
        raise InputError(
            f"--distill {name} is no teacher; choose {', '.join(TEACHERS)}, or write module.Class of scikit-learn or "
            "PyOD, for instance pyod.models.knn.KNN"
        )
    try:
        made = getattr(import_module(module), kind)(**settings)
    except ImportError as error:
        hint = "; pip install 'offbeat[pyod]'" if module.startswith("pyod") else ""
        raise InputError(f"--distill {name}: {error}{hint}") from None
    except (AttributeError, TypeError) as error:
        raise InputError(f"--distill {name} cannot be made: {error}") from None
    if not hasattr(made, "fit") or not (hasattr(made, "score_samples") or hasattr(made, "decision_function")):
        raise InputError(f"--distill {name} is no outlier detector: it has no fit, or neither score it could teach")
    if "random_state" in getattr(made, "get_params", dict)():
        made.set_params(random_state=seed)
    return made


def taught(name: str, scores: Floats, seed: int) -> Teacher:
    """A teacher fitted to standard scores float64 [W, F]. Raises InputError where it fails to fit."""
    teacher = teacher_named(name, seed)
    some = scores[:: -(-len(scores) // _MOST_TAUGHT)]
    try:
        teacher.fit(some)
    except Exception as error:  # any library's, of any kind
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"--distill {name} failed to fit {len(some)} windows of {scores.shape[1]} features: {reason}; "
            "choose another teacher, or fewer --features"
        ) from None
    return teacher


def outlier_scores(teacher: Teacher, scores: Floats) -> Floats:
    """A fitted teacher's score of standard scores float64 [W, F]; float64 [W], higher for more abnormal."""
    if type(teacher).__module__.startswith("pyod"):
        found = teacher.decision_function(scores)  # type: ignore[attr-defined]
    elif hasattr(teacher, "score_samples"):
        found = -teacher.score_samples(scores)
    else:
        found = -teacher.decision_function(scores)  # type: ignore[attr-defined]
    return np.nan_to_num(np.asarray(found, dtype=np.float64).reshape(-1))


def saved_bytes(teacher: Teacher) -> int | None:
    """How many bytes a fitted teacher takes when joblib saves it; None where it cannot be saved."""
    room = BytesIO()
    try:
        joblib.dump(teacher, room)
    except Exception:  # any library's, of any kind
        return None
    return room.tell()


def bytes_in_float(student: Family) -> int:
    """What a student's parameters would take as 32-bit floats, before quantization."""
    return 4 * len(student.parameters()) // _BYTES_OF_A_NUMBER[student.name]


def _around(scores: Floats, seed: int) -> Floats:
    """The windows, and others sampled around them: off by up to 6 standard deviations in some of the features."""
    generator = np.random.default_rng(seed)
    base = np.repeat(scores, _AROUND, axis=0)
    # More of them near, where the threshold will lie, than far.
    size = _FARTHEST * generator.random((len(base), 1)) ** 2 * generator.standard_normal(base.shape)
    hit = generator.random(base.shape) < generator.uniform(1 / base.shape[1], 1, (len(base), 1))
    return np.concatenate([scores, base + size * hit])


def learn(family: type[Family], name: str, scores: Floats, seed: int, **settings: Any) -> Family:
    """A student of that family, fitted to what the teacher says of the windows and of those around them.

    scores: float64 [W, F]; settings: of the family's sizes, of which those count that its ``learn`` has.
    Raises InputError for a teacher that fails.
    """
    some = scores[:: -(-len(scores) // _MOST_TAUGHT)]
    points = _around(some, seed)
    said = outlier_scores(taught(name, scores, seed), points)
    lesson = family.learn  # type: ignore[attr-defined]
    known = {key: value for key, value in settings.items() if key in signature(lesson).parameters}
    return lesson(points, _evened(said, len(some)), seed, **known)


def _evened(said: Floats, normal: int) -> Floats:
    """The same order, linear among the normal windows, which come first, and logarithmic beyond: what lies far out
    would else be all that least squares look at."""
    low, middle, high = np.quantile(said[:normal], [0.05, 0.5, 0.95])
    return np.arcsinh((said - middle) / max(high - low, 1e-9 * max(abs(middle), 1.0)))
