"""What an export's example reads: whether a model's channels are an accelerometer's axes, and in which unit."""

from __future__ import annotations

from math import isfinite

from offbeat.device.modelfile import Model

__all__ = ["micro_g"]

_MICRO_G = {"g": 1e6, "mg": 1e3, "m/s2": 1e6 / 9.80665, "m/s^2": 1e6 / 9.80665, "m/s²": 1e6 / 9.80665}
"""Of a unit; standard gravity: Bureau international des poids et mesures, 3rd CGPM, 1901."""
_UNSAID = 1000  # a milli-g: what the LIS3DH of the package gives


def _of_channel(scale: str, unit: str) -> int | None:
    if not scale and not unit:
        return _UNSAID
    try:
        value = float(scale) * _MICRO_G[unit.lower()]
    except (KeyError, ValueError):
        return None
    return round(value) if isfinite(value) and 1 <= value < 2**31 else None


def micro_g(model: Model) -> list[int | None]:
    """Millionths of g that a count of each channel is; None for what is no acceleration, or finer than that.

    1000 where the model says nothing of scale and unit; its meta section is anybody's text.
    """
    scales, units = (model.meta.get(key, "").split(",") for key in ("scales", "units"))
    empty = [""] * model.channels
    if len(scales) != model.channels:
        scales = empty
    if len(units) != model.channels:
        units = empty
    return [_of_channel(scale, unit) for scale, unit in zip(scales, units, strict=True)]
