"""Chooses the kernels at import: viper where the port has the emitter, else the same lines as bytecode."""

from array import array

try:
    from .kernels_viper import (
        band, centroid_distance, correlate, crc32_of_line, crossings, log2_q10, mahalanobis, normalise, power, reorder,
        scan, square_root, standardize, transform, weigh, whitened_back, without_baseline,
    )  # fmt: skip

    VIPER = True
except (SyntaxError, ValueError, ImportError):  # no emitter, or an .mpy of another architecture
    from .kernels_bytecode import (
        band, centroid_distance, correlate, crc32_of_line, crossings, log2_q10, mahalanobis, normalise, power, reorder,
        scan, square_root, standardize, transform, weigh, whitened_back, without_baseline,
    )  # fmt: skip

    VIPER = False


def typed(section):
    """Words of a model's section as the kernels index them.

    viper reads int16 words through any buffer, in place; bytecode needs an array, and so a copy.
    """
    if VIPER:
        return section
    return array("h", bytes(section))
