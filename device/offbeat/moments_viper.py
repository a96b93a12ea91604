"""The inner loop of learning as machine code: products of features, summed in two words each."""

import micropython


@micropython.viper
def add_products(difference: ptr16, high: ptr32, low: ptr16, count: int):
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
