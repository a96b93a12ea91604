"""The model families that a board can score: one module each, imported when a model needs it.

A family module has: check(parameters, count) -> reason or "" (is this parameter section sound?), and a class
Scorer(parameters, count) with room(count) words of vector, score(vector) -> int of which 256 is the threshold,
explain(vector), and contribution(vector, j) -> int in score units, valid after explain().
"""

FAMILIES = {
    1: "gaussian",
    2: "kmeans",
    3: "mixture",
    4: "pca",
    5: "forest",
    6: "prototypes",
    7: "autoencoder",
    8: "autoregressive",
    9: "ensemble",
}


def module(number):
    """The module of a family by its number in the model file; None where this board has none."""
    try:
        return _module(FAMILIES.get(number))
    except ImportError:  # a board may carry only the families that it needs
        return None


def _module(name):
    if name == "gaussian":
        from . import gaussian

        return gaussian
    if name == "kmeans":
        from . import kmeans

        return kmeans
    if name == "mixture":
        from . import mixture

        return mixture
    if name == "pca":
        from . import pca

        return pca
    if name == "forest":
        from . import forest

        return forest
    if name == "prototypes":
        from . import prototypes

        return prototypes
    if name == "autoencoder":
        from . import autoencoder

        return autoencoder
    if name == "autoregressive":
        from . import autoregressive

        return autoregressive
    if name == "ensemble":
        from . import ensemble

        return ensemble
    return None


def check(number, parameters, count):
    """Why these parameters cannot be scored with, or an empty string."""
    family = module(number)
    if family is None:
        return "the model is of family %d, which this version does not have" % number
    return family.check(parameters, count)


def scaled(distance, reduce, gain):
    """A squared distance (Q14, below 2**30) on the score scale, where 256 is the threshold."""
    distance >>= reduce
    if distance > 32767:
        distance = 32767
    return (distance * gain + 16384) >> 15
