"""Verifies Ed25519 signatures with plain integers, in steps short enough for sampling to go on in between.

RFC 8032, https://www.rfc-editor.org/rfc/rfc8032: section 5.1.7 without the cofactor, as most verifiers do it. Nothing
here is secret, so nothing needs to take a constant time.
"""

from .sha2 import Sha2

_P = (1 << 255) - 19
_MASK = (1 << 255) - 1
_ORDER = (1 << 252) + 27742317777372353535851937790883648493
# section 5.1: d, the base point, a square root of -1
_D = 37095705934669439343138083508754565189542113879843219016388785533085940283555
_BASE_X = 15112221349535400772501151409588531511454012693041857206046113283949847762202
_BASE_Y = 46316835694926478169428394003475163141307993866256225615783033603165251855960
_ROOT = 19681161376707505956807079304988542015446066515923890162744021073123829784752


class _NoPointError(Exception):
    pass


def verify(public, message, signature):
    """Whether a signature (64 bytes) of a message is that of a public key (32 bytes), at once."""
    steps = verifying(public, message, signature)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def verifying(public, message, signature):
    """verify() as a generator of some hundreds of steps, whose value is the answer."""
    if len(public) != 32 or len(signature) != 64:
        return False
    scalar = int.from_bytes(signature[32:], "little")
    if scalar >= _ORDER:
        return False
    try:
        key = yield from _decode(public)
    except _NoPointError:
        return False
    digest = Sha2(512)
    digest.update(bytes(signature[:32]) + bytes(public) + bytes(message))
    yield
    challenge = int.from_bytes(digest.digest(), "little") % _ORDER
    yield
    x, y = key
    minus_key = (_P - x, y, 1, (_P - x) * y % _P)
    base = (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % _P)
    # scalar * base - challenge * key, with one run of doublings for both (Straus)
    table = (None, base, minus_key, _add(base, minus_key))
    point = (0, 1, 1, 0)
    for bit in range(252, -1, -1):
        point = _double(point)
        chosen = (scalar >> bit & 1) | (challenge >> bit & 1) << 1
        if chosen:
            point = _add(point, table[chosen])
        yield
    inverse = yield from _power(point[2], _P - 2)
    x = point[0] * inverse % _P
    y = point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little") == bytes(signature[:32])


def _reduced(value):
    """A product modulo p, or p more: two foldings are cheaper than a division."""
    value = (value & _MASK) + 19 * (value >> 255)
    return (value & _MASK) + 19 * (value >> 255)


def _add(one, other):
    """Section 5.1.4, extended coordinates."""
    x1, y1, z1, t1 = one
    x2, y2, z2, t2 = other
    a = _reduced((y1 - x1 + 2 * _P) * (y2 - x2 + 2 * _P))
    b = _reduced((y1 + x1) * (y2 + x2))
    c = _reduced(_reduced(2 * t1 * _D) * t2)
    d = _reduced(2 * z1 * z2)
    e, f, g, h = b - a + 2 * _P, d - c + 2 * _P, d + c, b + a
    return _reduced(e * f), _reduced(g * h), _reduced(f * g), _reduced(e * h)


def _double(point):
    """Section 5.1.4, extended coordinates."""
    x, y, z, _ = point
    a = _reduced(x * x)
    b = _reduced(y * y)
    c = _reduced(2 * z * z)
    h = a + b
    e = h - _reduced((x + y) * (x + y)) + 2 * _P
    g = a - b + 2 * _P
    f = c + g
    return _reduced(e * f), _reduced(g * (h)), _reduced(f * g), _reduced(e * h)


def _decode(encoded):
    """Section 5.1.3: the point (x, y) of 32 bytes. Raises _NoPointError where they are none."""
    y = int.from_bytes(encoded, "little")
    sign = y >> 255
    y &= _MASK
    if y >= _P:
        raise _NoPointError
    u = (y * y - 1) % _P
    v = (_D * y * y + 1) % _P
    root = yield from _power(u * v**7 % _P, (_P - 5) // 8)
    x = u * v**3 % _P * root % _P
    found = v * x * x % _P
    if found != u:
        if found != (_P - u) % _P:
            raise _NoPointError
        x = x * _ROOT % _P
    if x == 0 and sign:
        raise _NoPointError
    return (_P - x if (x & 1) != sign else x), y


def _power(base, exponent):
    found = 1
    for bit in range(254, -1, -1):
        found = _reduced(found * found)
        if exponent >> bit & 1:
            found = _reduced(found * base)
        if not bit & 7:
            yield
    return found % _P
