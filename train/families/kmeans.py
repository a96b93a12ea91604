"""K-means: squared distance to the nearest centroid over its squared radius."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans as SklearnKMeans
from sklearn.metrics import silhouette_score
from threadpoolctl import threadpool_limits

from offbeat.train.arithmetic import Int32, clamp, scaled

from .base import Family, reduce_and_gain

__all__ = ["KMeans"]

_MOST_CLUSTERS = 8
_CHOOSE_ON = 1000  # windows, evenly spread
_CLEAR = 0.25  # a silhouette below this is no clear structure (Kaufman and Rousseeuw, 1990)
_RADIUS_QUANTILE = 0.95
_BASE = 16384  # distance at which every centroid's own radius lies before the threshold is set


def _clusters(scores: NDArray[np.float64], seed: int) -> int:
    """Number of clusters by the silhouette (Rousseeuw, 1987); one when nothing separates clearly."""
    best, best_width = 1, _CLEAR
    few = scores[np.linspace(0, len(scores) - 1, min(len(scores), _CHOOSE_ON)).astype(int)]
    for clusters in range(2, min(_MOST_CLUSTERS, len(few) // 20, len(np.unique(few, axis=0))) + 1):
        labels = SklearnKMeans(clusters, n_init=2, random_state=seed).fit(few).labels_
        width = silhouette_score(few, labels)
        if width > best_width:
            best, best_width = clusters, width
    return best


def _choose(scores: NDArray[np.float64], seed: int, wanted: int | None) -> SklearnKMeans:
    # One thread: with so little data, starting more costs more than they bring.
    with threadpool_limits(1):
        clusters = min(wanted, len(np.unique(scores, axis=0))) if wanted else _clusters(scores, seed)
        return SklearnKMeans(clusters, n_init=4, random_state=seed).fit(scores)


@dataclass(frozen=True)
class KMeans(Family):
    """Fitted centroids. centroids: int32 [K, F] (Q7); radii: float64 [K], squared radius of each (Q14).

    reduce, gain: int32 [K], score scale of each centroid.
    """

    name: ClassVar[str] = "kmeans"
    number: ClassVar[int] = 2
    usual_size: ClassVar[int] = 1024
    variants: ClassVar[tuple[Mapping[str, Any], ...]] = ({}, {"clusters": 4}, {"clusters": 8}, {"clusters": 16})

    centroids: Int32
    radii: NDArray[np.float64]
    reduce: Int32
    gain: Int32
    float_centroids: NDArray[np.float64] | None = None
    threshold: int = _BASE

    @classmethod
    def fit(cls, scores: NDArray[np.float64], seed: int, **settings: Any) -> Self:
        """scikit-learn's KMeans; the radius of a cluster is the 95 % quantile of its members' distances.

        settings: clusters, else as many as the silhouette tells apart.
        """
        model = _choose(scores, seed, settings.get("clusters"))
        squared = ((scores - model.cluster_centers_[model.labels_]) ** 2).sum(axis=1) * 16384
        overall = np.quantile(squared, _RADIUS_QUANTILE)
        radii = np.array(
            [
                max(np.quantile(squared[model.labels_ == k], _RADIUS_QUANTILE), overall / 4, 256.0)
                for k in range(len(model.cluster_centers_))
            ]
        )
        centroids = clamp(np.round(model.cluster_centers_ * 128).astype(np.int32), 8191)
        empty = np.zeros(len(radii), dtype=np.int32)
        family = cls(centroids, radii, empty, empty, float_centroids=model.cluster_centers_)
        return family.scaled_to(_BASE)

    @classmethod
    def from_parameters(cls, parameters: bytes | memoryview, count: int) -> Self:
        """Read the section that ``parameters()`` wrote."""
        (clusters,) = struct.unpack_from("<H", parameters, 0)
        scales = np.frombuffer(parameters, "<u2", 2 * clusters, 4).astype(np.int32).reshape(clusters, 2)
        centroids = np.frombuffer(parameters, "<i2", clusters * count, 4 + 4 * clusters)
        reduce, gain = scales[:, 0], scales[:, 1]
        radii = 256.0 * 2.0**15 * 2.0**reduce / np.maximum(gain, 1)
        return cls(centroids.astype(np.int32).reshape(clusters, count), radii, reduce, gain)

    def parameters(self) -> bytes:
        """Clusters, count; reduce and gain of each; the centroids by rows."""
        clusters, count = self.centroids.shape
        scales = np.stack([self.reduce, self.gain], axis=1).astype("<u2").tobytes()
        return struct.pack("<HH", clusters, count) + scales + self.centroids.astype("<i2").tobytes()

    def _squares(self, vectors: Int32, cluster: int) -> Int32:
        difference = clamp(vectors - self.centroids[cluster], 2047)
        return difference * difference

    def distances(self, vectors: Int32) -> Int32:
        """Squared distance over the squared radius of the nearest centroid, 16384 = on the radius."""
        ratios = [
            self._squares(vectors, k).sum(axis=1, dtype=np.int32) * (_BASE / radius)
            for k, radius in enumerate(self.radii)
        ]
        return np.clip(np.min(ratios, axis=0), 0, 2**30 - 1).astype(np.int32)

    def scaled_to(self, threshold: int) -> Self:
        """Put score 256 at this multiple (over 16384) of every centroid's squared radius."""
        scales = [reduce_and_gain(round(min(radius * threshold / _BASE, 2**30 - 1))) for radius in self.radii]
        reduce, gain = np.array(scales, dtype=np.int32).T
        return replace(self, reduce=reduce, gain=gain, threshold=threshold)

    def _each(self, vectors: Int32) -> Int32:
        clusters = zip(range(len(self.centroids)), self.reduce, self.gain, strict=True)
        sums = ((self._squares(vectors, k).sum(axis=1, dtype=np.int32), int(r), int(g)) for k, r, g in clusters)
        return np.stack([scaled(distance, r, g) for distance, r, g in sums])

    def score(self, vectors: Int32) -> Int32:
        """Least scaled squared distance over the centroids."""
        return self._each(vectors).min(axis=0)

    def contributions(self, vectors: Int32) -> Int32:
        """Each feature's share of the squared distance to the centroid that counts."""
        nearest = self._each(vectors).argmin(axis=0)
        result = np.empty_like(vectors)
        for k in range(len(self.centroids)):
            own = nearest == k
            result[own] = scaled(self._squares(vectors[own], k), int(self.reduce[k]), int(self.gain[k]))
        return result

    @property
    def settings(self) -> dict[str, Any]:
        """How many clusters."""
        return {"clusters": len(self.centroids)}

    @property
    def chosen(self) -> dict[str, Any]:
        """How many clusters."""
        return self.settings

    @property
    def operations(self) -> int:
        """Squared differences."""
        return int(self.centroids.size)

    def float_score(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same in float64, without quantization or saturation."""
        if self.float_centroids is None:
            raise RuntimeError("a family read from a file has no float model")
        squared = ((scores[:, None, :] - self.float_centroids[None]) ** 2).sum(axis=2) * 16384
        return (squared / self.radii).min(axis=1) * _BASE * 256 / self.threshold
