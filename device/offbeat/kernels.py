"""Chooses the kernels at import: viper where the port has the emitter, else the same lines as bytecode."""

from array import array

try:
    from .kernels_viper import crc32_of_line, log2_q10, mahalanobis, standardize, whitened_back, without_baseline
    from .spectrum_viper import band, power, reorder, transform, weigh
    from .window_viper import correlate, crossings, normalise, scan, square_root, sum_of

    VIPER = True
except (SyntaxError, ValueError, ImportError):  # no emitter, or an .mpy of another architecture
    from .kernels_bytecode import crc32_of_line, log2_q10, mahalanobis, standardize, whitened_back, without_baseline
    from .spectrum_bytecode import band, power, reorder, transform, weigh
    from .window_bytecode import correlate, crossings, normalise, scan, square_root, sum_of

    VIPER = False


def typed(section):
    """Words of a model's section as the kernels index them.

    viper reads int16 words through any buffer, in place; bytecode needs an array, and so a copy.
    """
    if VIPER:
        return section
    return array("h", bytes(section))
