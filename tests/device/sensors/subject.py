"""What is tested, by the name that it has under this Python."""

try:
    from offbeat.device import sensors
    from offbeat.device.sensors import clock, timed
except ImportError:  # on a board the package is simply offbeat
    from offbeat import sensors
    from offbeat.sensors import clock, timed

__all__ = ["clock", "refused", "sensors", "timed"]


def refused(kind, *arguments, **options):
    """What open_sensor says when it raises an error of this kind."""
    try:
        sensors.open_sensor(*arguments, **options)
    except kind as error:
        return str(error)
    raise AssertionError("it was taken")
