"""SHA-256 and SHA-512 in plain integers, for ports whose hashlib lacks them: all lack SHA-512, some SHA-256 too.

FIPS 180-4, https://doi.org/10.6028/NIST.FIPS.180-4. Its constants are fractional parts of roots of primes, and made
here.
"""

try:
    from hashlib import sha256
except ImportError:  # samd21, nrf51, nrf52832, micro:bit
    sha256 = None  # type: ignore[assignment, misc]

# word in bits, bytes of a block, rounds, and by how much the six functions turn a word, sections 4.1.2 and 4.1.3
_SHA256 = (32, 64, 64, (2, 13, 22), (6, 11, 25), (7, 18, 3), (17, 19, 10))
_SHA512 = (64, 128, 80, (28, 34, 39), (14, 18, 41), (1, 8, 7), (19, 61, 6))


class Sha2:
    """A hash that is fed in pieces: update(), then digest() once. bits: 256 or 512."""

    def __init__(self, bits):
        self._kind = _SHA512 if bits == 512 else _SHA256
        word = self._kind[0]
        primes = _primes(self._kind[2])
        self._state = [_root(prime, 2, word) for prime in primes[:8]]
        self._constants = [_root(prime, 3, word) for prime in primes]
        self._held = b""
        self._length = 0

    def update(self, data):
        """Take more bytes."""
        self._length += len(data)
        self._held += bytes(data)
        block = self._kind[1]
        at = 0
        while len(self._held) - at >= block:
            self._take(memoryview(self._held)[at : at + block])
            at += block
        self._held = self._held[at:]

    def digest(self):
        """The hash of all that was taken, bytes."""
        word, block = self._kind[0], self._kind[1]
        length = word // 4  # bytes of the length at the end of the last block
        self._held += b"\x80" + bytes((block - length - 1 - len(self._held)) % block)
        bits = 8 * self._length
        self.update(bits.to_bytes(length, "big"))
        return b"".join([part.to_bytes(word // 8, "big") for part in self._state])

    def _take(self, data):
        word, _, rounds, upper0, upper1, lower0, lower1 = self._kind
        mask = (1 << word) - 1
        size = word // 8
        schedule = [int.from_bytes(data[i * size : (i + 1) * size], "big") for i in range(16)]
        a, b, c, d, e, f, g, h = self._state
        for t in range(rounds):
            if t >= 16:
                before, late = schedule[(t - 15) & 15], schedule[(t - 2) & 15]
                before = _turn(before, lower0[0], word) ^ _turn(before, lower0[1], word) ^ (before >> lower0[2])
                late = _turn(late, lower1[0], word) ^ _turn(late, lower1[1], word) ^ (late >> lower1[2])
                schedule[t & 15] = (schedule[t & 15] + before + schedule[(t - 7) & 15] + late) & mask
            first = _turn(e, upper1[0], word) ^ _turn(e, upper1[1], word) ^ _turn(e, upper1[2], word)
            first += h + ((e & f) ^ (~e & mask & g)) + self._constants[t] + schedule[t & 15]
            second = _turn(a, upper0[0], word) ^ _turn(a, upper0[1], word) ^ _turn(a, upper0[2], word)
            second += (a & b) ^ (a & c) ^ (b & c)
            h, g, f, e, d, c, b, a = g, f, e, (d + first) & mask, c, b, a, (first + second) & mask
        last = (a, b, c, d, e, f, g, h)
        self._state = [(self._state[i] + last[i]) & mask for i in range(8)]


def new256():
    """A SHA-256 to feed: hashlib's, else the one above."""
    return Sha2(256) if sha256 is None else sha256()


def hmac256(key, message):
    """HMAC-SHA256 (RFC 2104, section 2) with a key of at most 64 bytes; 32 bytes."""
    padded = key + bytes(64 - len(key))
    inner = new256()
    inner.update(bytes([byte ^ 0x36 for byte in padded]))
    inner.update(message)
    outer = new256()
    outer.update(bytes([byte ^ 0x5C for byte in padded]))
    outer.update(inner.digest())
    return outer.digest()


def same(one, other):
    """Whether two byte strings are equal, in a time that does not tell how many bytes are."""
    difference = len(one) ^ len(other)
    for i in range(min(len(one), len(other))):
        difference |= one[i] ^ other[i]
    return difference == 0


def _turn(value, count, word):
    return (value >> count) | ((value << (word - count)) & ((1 << word) - 1))


def _primes(count):
    found = [2]
    number = 3
    while len(found) < count:
        for prime in found:
            if number % prime == 0:
                break
        else:
            found.append(number)
        number += 1
    return found


def _root(prime, degree, word):
    """The first bits of the fractional part of a square or cube root, by Newton's method in integers."""
    target = prime << (degree * word)
    guess = 1 << (word + 5)  # above any of them
    while True:
        following = ((degree - 1) * guess + target // guess ** (degree - 1)) // degree
        if following >= guess:
            return guess & ((1 << word) - 1)
        guess = following
