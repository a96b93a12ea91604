"""The registry of model families: one module each, fitted by scikit-learn, scored in integers.

A family is a class with ``number`` (in the model file), ``name``, ``fit(standard_scores, seed) -> parameters``
and the methods of `Family`; adding one is a module here, its twin in ``device/offbeat/families`` and in
``device/c``, and a line in each registry.
"""

from __future__ import annotations

from .autoencoder import Autoencoder
from .autoregressive import Autoregressive
from .base import Family
from .ensemble import Ensemble
from .forest import Forest
from .gaussian import Gaussian
from .kmeans import KMeans
from .mixture import Mixture
from .pca import PCA
from .prototypes import Prototypes

__all__ = ["FAMILIES", "Family", "by_number"]

_ALL = (Gaussian, KMeans, Mixture, PCA, Forest, Prototypes, Autoencoder, Autoregressive, Ensemble)
FAMILIES: dict[str, type[Family]] = {family.name: family for family in _ALL}


def by_number(number: int) -> type[Family]:
    """The family with that number in the model file. Raises KeyError."""
    return {family.number: family for family in FAMILIES.values()}[number]
