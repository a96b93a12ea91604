/* From counts to normalised samples and the sums over them; docs/pipeline.md. */
#include "offbeat_internal.h"

/* Mean of a window whose counts sum to total, and the exponent that takes its extremes to 13 bits. */
static void center(int32_t total, int32_t window, offbeat_channel *channel)
{
    const uint32_t length = (uint32_t)window;
    const uint32_t positive = (uint32_t)(total + 32768 * window);
    const uint32_t quotient = positive / length;
    const uint32_t rest = positive - quotient * length;
    const int32_t mean = ((int32_t)quotient - 32768) * 16 + (int32_t)((16U * rest + length / 2U) / length);
    const int32_t above = 16 * channel->highest - mean;
    const int32_t below = mean - 16 * channel->lowest;
    channel->mean = mean;
    channel->exponent = 13 - offbeat_bit_length((uint32_t)(above > below ? above : below));
}

void offbeat_scan(const offbeat_state *state, const int16_t *frames, uint16_t first, uint16_t capacity, uint8_t number,
                  int16_t *work, offbeat_channel *channel)
{
    const int32_t window = state->model->window;
    const int32_t step = state->model->channels;
    const int16_t *at = frames + first * step + number;
    int16_t *const end = work + window;
    int16_t *stop = work + (capacity - first < window ? capacity - first : window);
    int32_t previous = *at;
    int32_t lowest = previous;
    uint32_t height = 0;
    int32_t total = 0;
    int32_t differences = 0;
    for (;;) {
        ROLLED
        do {
            const int32_t x = *at;
            const int32_t difference = x - previous;
            *work++ = (int16_t)x;
            at += step;
            total += x;
            differences += difference < 0 ? -difference : difference;
            previous = x;
            /* Below the lowest is far above it for an unsigned number, so one comparison finds both. */
            if ((uint32_t)(x - lowest) > height) {
                if (x < lowest) {
                    height += (uint32_t)(lowest - x);
                    lowest = x;
                } else {
                    height = (uint32_t)(x - lowest);
                }
            }
        } while (work != stop);
        if (stop == end) {
            break;
        }
        at = frames + number;
        stop = end;
    }
    channel->highest = lowest + (int32_t)height;
    channel->lowest = lowest;
    channel->differences = differences;
    center(total, window, channel);
}

int32_t offbeat_crossings(const int16_t *work, uint16_t window, int32_t mean)
{
    const int16_t *const end = work + window;
    int32_t previous = 16 * *work - mean;
    uint32_t crossings = 0;
    ROLLED
    while (work != end) {
        const int32_t centred = 16 * *work++ - mean;
        crossings += (uint32_t)(centred ^ previous) >> 31;
        previous = centred;
    }
    return (int32_t)crossings;
}

/* normalised = (scale * count + offset) >> down, which is the shift to the left or the rounded one to the right. */
typedef struct {
    uint32_t scale;
    uint32_t offset;
    int32_t down;
} affine;

static affine line_of(const offbeat_channel *channel)
{
    affine result;
    if (channel->exponent >= 0) {
        result.scale = UINT32_C(16) << channel->exponent;
        result.offset = 0U - ((uint32_t)channel->mean << channel->exponent);
        result.down = 0;
    } else {
        result.scale = 16;
        result.down = -channel->exponent;
        result.offset = (UINT32_C(1) << (result.down - 1)) - (uint32_t)channel->mean;
    }
    return result;
}

/* For a shift to the left the result fits 15 bits though scale * count may wrap on the way; hence unsigned. */
static inline int32_t on_line(affine line, int32_t count)
{
    return (int32_t)((uint32_t)count * line.scale + line.offset) >> line.down;
}

/* Returns y. Sums over four samples fit: squares 2^28, fourths 2^30. */
static inline int32_t add_powers(int32_t y, uint32_t *squares, uint32_t *fourths)
{
    const uint32_t square = (uint32_t)(y * y);
    const uint32_t reduced = square >> 12;
    *squares += square;
    *fourths += reduced * reduced;
    return y;
}

static inline int16_t weighed(int32_t y, int32_t weight)
{
    return (int16_t)((y * weight + 16384) >> 15);
}

static void sum_only(const int16_t *work, uint16_t window, affine line, offbeat_channel *channel)
{
    const int16_t *const end = work + window;
    uint64_t energy = 0;
    uint64_t fourth = 0;
    ROLLED
    while (work != end) {
        uint32_t squares = 0;
        uint32_t fourths = 0;
        (void)add_powers(on_line(line, *work++), &squares, &fourths);
        energy += squares;
        fourth += fourths;
    }
    channel->energy = energy;
    channel->fourth = fourth;
}

/* Four samples share an entry of the sine table: quarter - i, quarter + i and their mirror images. */
static void sum_and_weigh(int16_t *work, uint16_t window, const int16_t *sine, affine line, offbeat_channel *channel)
{
    const int32_t quarter = window >> 2;
    const int32_t edge_cosine[4] = {sine[quarter], sine[0], -sine[quarter], sine[0]};
    int16_t *a = work + quarter;
    int16_t *b = a;
    int16_t *c = work + 3 * quarter;
    int16_t *d = c;
    uint64_t energy = 0;
    uint64_t fourth = 0;
    int32_t i;
    ROLLED
    for (i = 1; i < quarter; i++) {
        const int32_t cosine = sine[i];
        const int32_t small = (32768 - cosine) >> 1;
        const int32_t large = (32768 + cosine) >> 1;
        uint32_t squares = 0;
        uint32_t fourths = 0;
        a--;
        *a = weighed(add_powers(on_line(line, *a), &squares, &fourths), small);
        b++;
        *b = weighed(add_powers(on_line(line, *b), &squares, &fourths), large);
        c--;
        *c = weighed(add_powers(on_line(line, *c), &squares, &fourths), large);
        d++;
        *d = weighed(add_powers(on_line(line, *d), &squares, &fourths), small);
        energy += squares;
        fourth += fourths;
    }
    ROLLED
    for (i = 0; i < 4; i++) {
        int16_t *const at = work + i * quarter;
        uint32_t squares = 0;
        uint32_t fourths = 0;
        *at = weighed(add_powers(on_line(line, *at), &squares, &fourths), (32768 - edge_cosine[i]) >> 1);
        energy += squares;
        fourth += fourths;
    }
    channel->energy = energy;
    channel->fourth = fourth;
}

void offbeat_normalise(int16_t *work, uint16_t window, const int16_t *sine, offbeat_channel *channel)
{
    const affine line = line_of(channel);
    const int32_t highest = on_line(line, channel->highest);
    const int32_t lowest = on_line(line, channel->lowest);
    channel->peak = highest > -lowest ? highest : -lowest;
    if (sine != 0) {
        sum_and_weigh(work, window, sine, line, channel);
    } else {
        sum_only(work, window, line, channel);
    }
}

/* Floor of the square root of 0 to 2^28 - 1. */
static uint32_t square_root(uint32_t value)
{
    uint32_t root = 0;
    uint32_t bit;
    ROLLED
    for (bit = UINT32_C(1) << 26; bit != 0; bit >>= 2) {
        if (value >= root + bit) {
            value -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    return root;
}

/* value >> down, below 2^32, for down up to 16: without the compiler's own routine for 64 bits. */
static uint32_t shifted(uint64_t value, int32_t down)
{
    return ((uint32_t)(value >> 16) << (16 - down)) | ((uint32_t)(value & 0xFFFFU) >> down);
}

/* Square root of an energy, halved so often that it has 14 bits at most. */
static uint32_t root_of(uint64_t energy, int32_t *half)
{
    const int32_t bits = 16 + offbeat_bit_length((uint32_t)(energy >> 16));
    *half = bits > 27 ? (bits - 27) >> 1 : 0;
    return square_root(shifted(energy, 2 * *half));
}

int32_t offbeat_correlation(const int16_t *work, const offbeat_channel *channel, const int16_t *other,
                            const offbeat_channel *second, uint16_t window)
{
    const affine line = line_of(channel);
    const affine other_line = line_of(second);
    const int16_t *const end = work + window;
    uint64_t energy = 0;
    uint64_t other_energy = 0;
    int64_t product = 0;
    int32_t half;
    int32_t other_half;
    uint32_t roots;
    uint32_t value;
    ROLLED
    while (work != end) {
        const int32_t x = on_line(line, *work++);
        const int32_t y = on_line(other_line, *other++);
        energy += (uint32_t)(x * x);
        other_energy += (uint32_t)(y * y);
        product += x * y;
    }
    roots = root_of(energy, &half);
    roots *= root_of(other_energy, &other_half);
    value = shifted((uint64_t)(product < 0 ? -product : product), half + other_half) / (roots >> 12);
    if (value > 4096U) {
        value = 4096U;
    }
    return product < 0 ? -(int32_t)value : (int32_t)value;
}
