"""Linear prediction of each window from those before it: residuals and their CUSUM. Arithmetic: docs/pipeline.md.

Parameter section, 16-bit words: count, lags, limit of a residual, slack, reach and ceiling of the CUSUM (ceiling 0: no
CUSUM), reduce and gain of the residuals, reduce and gain of the CUSUM; then for each feature bias, multiplier, shifts
(uint8, the first one in the low byte), and its weights lag by lag (int16).
"""

import struct
from array import array

from ..kernels import VIPER, typed
from . import scaled

if VIPER:
    from .autoregressive_viper import cusum_distance, remember, residual_distance
else:
    from .autoregressive_bytecode import cusum_distance, remember, residual_distance

_LARGEST = 0x3FFFFFFF


def _check_feature(parameters, at, weights):
    _, multiplier, first, second = struct.unpack_from("<hHBB", parameters, at)
    if multiplier > 16383 or not 1 <= first <= 18 or not 1 <= second <= 24:
        return "the scale of a predicted feature is out of range"
    total = 0
    for i in range(weights):
        total += abs(struct.unpack_from("<h", parameters, at + 6 + 2 * i)[0])
    if total > 131000:
        return "the weights that predict a feature could overflow"
    return ""


def check(parameters, count):
    """Why these parameters cannot be scored with, or an empty string."""
    if len(parameters) < 20:
        return "the predictor is cut short"
    own, lags, limit, slack, reach, ceiling, reduce, gain, second_reduce, second_gain = struct.unpack_from(
        "<10H", parameters, 0
    )
    if own != count or not 1 <= lags <= 4:
        return "the predictor's number of features or of lags is out of range"
    if len(parameters) != 20 + count * (6 + 2 * lags * count):
        return "the predictor has a wrong length"
    if reduce > 30 or second_reduce > 30 or gain > 32767 or second_gain > 32767:
        return "the predictor's scale is out of range"
    if limit > 32767 or count * limit * limit > _LARGEST:
        return "the limit of the residuals is out of range"
    if max(slack, reach, ceiling) > 32767:
        return "a bound of the CUSUM is out of range"
    for j in range(count):
        reason = _check_feature(parameters, 20 + j * (6 + 2 * lags * count), lags * count)
        if reason:
            return reason
    return ""


class Scorer:
    """Scores standardized features as the window that follows the last one; reset() forgets it.

    The state has its own array; in C the same words lie in the vector's room, which is why room() counts them.
    """

    def __init__(self, parameters, count):
        self.count = count
        _, self.lags, _, _, _, self.ceiling = struct.unpack_from("<6H", parameters, 0)
        self.reduce, self.gain, self.cusum_reduce, self.cusum_gain = struct.unpack_from("<4H", parameters, 12)
        self.parameters = typed(parameters)
        self.upper = 2 + count * (1 + self.lags)
        self.state = array("h", [0] * (self.upper + (2 * count if self.ceiling else 0)))

    def room(self):
        """Words that the vector needs."""
        return self.count + len(self.state)

    def reset(self):
        """Forget the windows before: the next one counts as its own history."""
        for i in range(len(self.state)):
            self.state[i] = 0

    def score(self, vector):
        """Score of the standardized features vector[:count]; the residuals count where they are as large."""
        state = self.state
        if not state[0]:
            state[0] = 1
            for _ in range(self.lags):
                remember(self.parameters, vector, state)
        score = scaled(residual_distance(self.parameters, self.count, vector, state), self.reduce, self.gain)
        if self.ceiling:
            creeping = scaled(cusum_distance(self.parameters, state), self.cusum_reduce, self.cusum_gain)
            if creeping > score:
                score = creeping
            else:
                state[1] = 0
        remember(self.parameters, vector, state)
        return score

    def explain(self, vector):
        """Prepare contribution() for the window scored last: score() has left what it needs."""

    def contribution(self, vector, j):
        """What feature j adds to the score; the one with the largest CUSUM all of it, where that counts."""
        state = self.state
        if state[1] == 0:
            part = state[2 + j]
            return scaled(part * part, self.reduce, self.gain)
        if state[1] != j + 1:
            return 0
        part = max(state[self.upper + j], state[self.upper + self.count + j])
        return scaled(part * part, self.cusum_reduce, self.cusum_gain)
