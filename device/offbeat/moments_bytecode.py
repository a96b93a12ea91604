"""The inner loops as plain bytecode, for boards without the viper emitter.

Made from moments_viper.py by `make generate`; a test holds the two together. Do not edit.
"""


def add_products(difference, high, low, count):
    """Add the products of all pairs of differences (signed) to the sums high * 2**15 + low of the lower triangle."""
    at = 0
    j = 0
    while j < count:
        x = ((difference[j] & 0xFFFF) ^ 0x8000) - 0x8000
        k = 0
        while k <= j:
            p = (((difference[k] & 0xFFFF) ^ 0x8000) - 0x8000) * x
            total = (low[at] & 0x7FFF) + (p & 0x7FFF)
            word = int(high[at])
            if word >> 30 > 1:
                wrap = 65536
                word -= wrap * wrap
            high[at] = word + (p >> 15) + (total >> 15)
            low[at] = total & 0x7FFF
            at += 1
            k += 1
        j += 1
