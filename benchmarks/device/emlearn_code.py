"""emlearn's generated C for the workloads; what emlearn has no code for (features of a window) is plain float C."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .programs import Program
from .workloads import CHANNELS, WINDOW, Data, float_features

__all__ = ["programs"]

Floats = NDArray[np.float64]

_FEATURES = """
#include <math.h>
#include <stdint.h>
#include <eml_fft.h>
static float sines[%(half)d], cosines[%(half)d], re[%(n)d], im[%(n)d], values[%(count)d];
static EmlFFT table = { %(half)d, sines, cosines };
static const float hann[%(n)d] = { %(hann)s };
static const float center[] = { %(center)s }, factor[] = { %(factor)s };
static float octaves(float value) { return value > 0.0f ? 1024.0f * log2f(value) : -20480.0f; }
static float band(int first, int bins)
{
    float sum = 0.0f;
    for (int i = first; i < first + bins; i++) sum += re[i] * re[i] + im[i] * im[i];
    return octaves(sum * (2.0f / (%(n)d.0f * %(n)d.0f)));
}
static float *channel(const int16_t *frames, float *out)
{
    float mean = 0.0f, square = 0.0f, fourth = 0.0f, steps = 0.0f;
    for (int i = 0; i < %(n)d; i++) mean += frames[%(channels)d * i];
    mean /= %(n)d.0f;
    for (int i = 0; i < %(n)d; i++) {
        const float x = frames[%(channels)d * i] - mean, s = x * x;
        square += s;
        fourth += s * s;
        if (i) steps += fabsf((float)(frames[%(channels)d * i] - frames[%(channels)d * (i - 1)]));
        re[i] = x * hann[i];
        im[i] = 0.0f;
    }
    square /= %(n)d.0f;
    *out++ = octaves(sqrtf(square));
    *out++ = octaves(fourth / %(n)d.0f / (square * square));
    *out++ = octaves(steps / (%(n)d.0f - 1.0f));
    eml_fft_forward(table, re, im, %(n)d);
    %(bands)s
    return out;
}
static const float *standard_scores(const int16_t *frames)
{
    float *out = values;
    for (int c = 0; c < %(channels)d; c++) out = channel(frames + c, out);
    for (int j = 0; j < %(count)d; j++) {
        const float z = (values[j] - center[j]) * factor[j];
        values[j] = z > 64.0f ? 64.0f : z < -64.0f ? -64.0f : z;
    }
    return values;
}
void peer_start(void) { eml_fft_fill(table, %(n)d); }
"""

_FFT = f"""
#include <stdint.h>
#include <eml_fft.h>
static float sines[{WINDOW // 2}], cosines[{WINDOW // 2}], re[{WINDOW}], im[{WINDOW}];
static EmlFFT table = {{ {WINDOW // 2}, sines, cosines }};
void peer_start(void) {{ eml_fft_fill(table, {WINDOW}); }}
void peer_run(const float *input, float *output)
{{
    for (int i = 0; i < {WINDOW}; i++) {{ re[i] = input[i]; im[i] = 0.0f; }}
    eml_fft_forward(table, re, im, {WINDOW});
    for (int i = 0; i < {WINDOW // 2}; i++) output[i] = re[i] * re[i] + im[i] * im[i];
}}
"""

_DISTANCE = "{ eml_elliptic_envelope_predict(&em_classifier, %s, 24, output); }"
_NET = """{
    static float rebuilt[24];
    const float *z = %s;
    float sum = 0.0f;
    eml_net_regress(&em, z, 24, rebuilt, 24);
    for (int j = 0; j < 24; j++) sum += (z[j] - rebuilt[j]) * (z[j] - rebuilt[j]);
    *output = sum;
}"""


def _listed(values: Floats) -> str:
    return ", ".join(f"{float(value):.9g}f" if "." in f"{float(value):.9g}" or "e" in f"{float(value):.9g}"
                     else f"{float(value):.9g}.0f" for value in values)  # fmt: skip


def _factors(known: Data) -> Floats:
    return np.array([s.multiplier / 2.0 ** (s.first_shift + s.second_shift) / 128 for s in known.scales])


def _centers(known: Data) -> Floats:
    return np.array([s.center for s in known.scales], dtype=np.float64)


def _pipeline(known: Data) -> str:
    bands = [feature for feature in known.features if feature.kind == "band" and feature.channel == 0]
    return _FEATURES % {
        "n": WINDOW, "half": WINDOW // 2, "channels": CHANNELS, "count": len(known.features),
        "hann": _listed(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)),
        "center": _listed(_centers(known)), "factor": _listed(_factors(known)),
        "bands": "\n    ".join(f"*out++ = band({b.first}, {b.bins});" for b in bands),
    }  # fmt: skip


def _run(body: str, kind: str, argument: str) -> str:
    return f"void peer_run(const {kind} *input, float *output) {body % argument}\n"


def programs(known: Data) -> list[Program]:
    """emlearn at every piece of work that it has code for."""
    import emlearn
    from emlearn.distance import generate_code
    from sklearn.covariance import EllipticEnvelope
    from sklearn.mixture import GaussianMixture
    from sklearn.neural_network import MLPRegressor

    include = (Path(emlearn.includedir),)
    train, test = known.scores / 128, known.test_scores / 128
    floats = np.clip((float_features(known.test, known.features) - _centers(known)) * _factors(known), -64, 64)
    raw = known.test.reshape(len(known.test), -1)
    found: list[Program] = []

    def add(work: str, code: str, inputs: Any, expected: Any, **more: Any) -> None:
        expected = np.asarray(expected, dtype=np.float64).reshape(len(inputs), -1)
        found.append(Program(work, "emlearn", code, inputs, expected, include=include, **more))

    start = "void peer_start(void) {}\n"
    envelope = EllipticEnvelope(support_fraction=1.0, random_state=1).fit(train)
    code = generate_code(envelope.location_, envelope.get_precision(), float(envelope.offset_), name="em")
    add("gaussian", start + code + _run(_DISTANCE, "float", "input"), test.astype("<f4"), envelope.mahalanobis(test))
    whole = {"tolerance": 0.01, "samples": True}
    add("window, gaussian", _pipeline(known) + code + _run(_DISTANCE, "int16_t", "standard_scores(input)"),
        raw, envelope.mahalanobis(floats), **whole)  # fmt: skip
    net = MLPRegressor(hidden_layer_sizes=(16, 8, 16), max_iter=60, random_state=1).fit(train, train)
    code = emlearn.convert(net, method="loadable", return_type="regressor").save(name="em", inference=["loadable"])
    note = "float weights"
    add("autoencoder", start + code + _run(_NET, "float", "input"), test.astype("<f4"),
        ((net.predict(test) - test) ** 2).sum(axis=1), note=note)  # fmt: skip
    add("window, autoencoder", _pipeline(known) + code + _run(_NET, "int16_t", "standard_scores(input)"),
        raw, ((net.predict(floats) - floats) ** 2).sum(axis=1), note=note, **whole)  # fmt: skip
    for covariance in ("diag", "full"):
        mixture = GaussianMixture(4, covariance_type=covariance, reg_covar=1e-3, random_state=1).fit(train)
        code = emlearn.convert(mixture).save(name="em")
        score = "{ float parts[4]; em_score(%s, 24, parts, output); }"
        add(f"mixture of 4, {covariance}", start + code + _run(score, "float", "input"), test.astype("<f4"),
            mixture.score_samples(test))  # fmt: skip
    samples = known.test[:, :, 0].astype(np.float64)
    samples -= samples.mean(axis=1, keepdims=True)
    power = np.abs(np.fft.rfft(samples, axis=1)[:, : WINDOW // 2]) ** 2
    add("real FFT of 128, power", _FFT, samples.astype("<f4"), power)
    return found
