"""Rotating machines: shafts, blades, gears and bearings, and the lines that they put into a spectrum."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MACHINES", "Bearing", "Machine"]


@dataclass(frozen=True)
class Bearing:
    """Geometry of a deep-groove ball bearing with contact angle 0 and a fixed outer ring.

    The defect frequencies, in multiples of the shaft's, are those of R. B. Randall and J. Antoni, "Rolling element
    bearing diagnostics - a tutorial", Mechanical Systems and Signal Processing 25 (2011) 485, eq. 1 to 4.
    """

    name: str
    balls: int
    ball_diameter: float  # mm
    pitch_diameter: float  # mm

    @property
    def _ratio(self) -> float:
        return self.ball_diameter / self.pitch_diameter

    @property
    def outer(self) -> float:
        """BPFO, ball pass frequency of the outer race."""
        return self.balls / 2 * (1 - self._ratio)

    @property
    def inner(self) -> float:
        """BPFI, ball pass frequency of the inner race."""
        return self.balls / 2 * (1 + self._ratio)

    @property
    def ball(self) -> float:
        """BSF, ball spin frequency."""
        return (1 - self._ratio**2) / (2 * self._ratio)

    @property
    def cage(self) -> float:
        """FTF, fundamental train frequency."""
        return (1 - self._ratio) / 2


BEARING_6205 = Bearing("6205", 9, 7.94, 39.04)
BEARING_608 = Bearing("608", 7, 3.97, 15.0)


@dataclass(frozen=True)
class Machine:
    """What vibrates, and how strongly.

    shaft: Hz; harmonics: g of 1x, 2x and 3x; blades: vanes or blades (0: none) and their g; teeth: of the gear on
    the shaft (0: none) and its g; line: Hz of the mains (0: none), felt at twice that, and its g; resonance: Hz of
    the housing; roughness: g RMS of broadband noise through it; bearing: at the shaft; warm: degC of the housing.
    """

    name: str
    shaft: float
    harmonics: tuple[float, float, float]
    blades: int
    blade_level: float
    teeth: int
    mesh_level: float
    line: float
    line_level: float
    resonance: float
    roughness: float
    bearing: Bearing
    warm: float
    speed_wander: float = 0.002  # standard deviation, share of the speed
    load_wander: float = 0.04  # standard deviation, share of the level


MACHINES: dict[str, Machine] = {
    machine.name: machine
    for machine in (
        Machine("fan", 23.5, (0.050, 0.012, 0.006), 5, 0.030, 0, 0, 0, 0, 165.0, 0.020, BEARING_608, 34.0),
        Machine("pump", 24.6, (0.035, 0.015, 0.008), 6, 0.045, 0, 0, 0, 0, 172.0, 0.030, BEARING_6205, 46.0),
        Machine("gearbox", 10.2, (0.030, 0.010, 0.006), 0, 0, 13, 0.055, 0, 0, 178.0, 0.025, BEARING_6205, 52.0),
        Machine("motor", 24.8, (0.030, 0.010, 0.005), 0, 0, 0, 0, 50.0, 0.025, 158.0, 0.018, BEARING_6205, 48.0),
    )
}
"""Machines by name."""
