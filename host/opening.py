"""Opens a serial port, or says in one sentence why it cannot be opened."""

from __future__ import annotations

import errno
import getpass

import serial

from offbeat.train.errors import InputError

from .ports import list_ports

__all__ = ["open_port"]


def open_port(port: str, baudrate: int, write_timeout: float) -> serial.Serial:
    """Open a port for us alone, without flow control; reads do not wait. Raises InputError saying why not."""
    try:
        return serial.Serial(
            port, baudrate, timeout=0, write_timeout=write_timeout, exclusive=True, dsrdtr=False, rtscts=False
        )
    except (serial.SerialException, OSError) as error:
        raise InputError(_reason(port, error)) from None
    except (ValueError, OverflowError) as error:
        raise InputError(f"{port}: the port does not take {baudrate} baud ({error}); 115200 is usual") from None


def _reason(port: str, error: OSError) -> str:
    number = error.errno
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        there = ", ".join(info.device for info in list_ports())
        return f"{port}: there is no such port; " + (
            f"the ports there are: {there}" if there else "no serial port is to be seen, plug the board in"
        )
    if number in (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK):
        return f"{port}: another program has the port open; close it (a monitor, an editor's serial console, mpremote)"
    if number in (errno.EACCES, errno.EPERM):
        return (
            f"{port}: you may not open this port; add yourself to its group, "
            f"`sudo usermod -aG dialout {getpass.getuser()}`, and log in again"
        )
    if number in (None, errno.ENOTTY, errno.EINVAL, errno.EISDIR):
        return f"{port}: this is not a serial port; `offbeat ports` lists those there are"
    return f"{port}: cannot be opened ({error.strerror or error}); unplug the board and plug it in again"
