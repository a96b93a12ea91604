/* Forest of threshold trees: the sum of the leaves that a window falls into, and how far it lies out of range;
 * docs/pipeline.md.
 *
 * Parameters: trees, count, reduce, gain, weight, base (low, high); low bounds, high bounds; then for each tree how many
 * leaves it has and its nodes in preorder: a leaf is its value, an inner node feature + 256 * leaves of the left child
 * + 32768, and threshold. n leaves take 3n - 2 words. Room: none. */
#include "offbeat_internal.h"

enum { TREES = 0, REDUCE = 2, GAIN = 3, WEIGHT = 4, BASE = 5, BOUNDS = 7 };

static int32_t base_of(const int16_t *parameters)
{
    return (int32_t)((uint16_t)parameters[BASE] | (uint32_t)(uint16_t)parameters[BASE + 1] << 16);
}

static uint8_t feature_of(const int16_t *node)
{
    return (uint8_t)((uint16_t)*node & 0xFF);
}

/* Leaves of the left child. */
static int32_t left_of(const int16_t *node)
{
    return (uint16_t)*node >> 8 & 0x7F;
}

/* How far a score lies out of bounds. */
static inline int32_t beyond(int32_t z, int32_t low, int32_t high)
{
    if ((uint32_t)(z - low) <= (uint32_t)(high - low)) {
        return 0;
    }
    return z < low ? low - z : z - high;
}

static int32_t excess_of(const int16_t *parameters, const int16_t *vector, uint8_t count, uint8_t j)
{
    return beyond(vector[j], parameters[BOUNDS + j], parameters[BOUNDS + count + j]);
}

#ifdef OFFBEAT_FOREST_INLINE

/* The trees as code, which `offbeat export --to c --forest inline` writes behind this file's text. */
static int32_t sum_of_leaves(const int16_t *parameters, const int16_t *z, uint8_t count);
static int32_t sum_of_excess(const int16_t *parameters, const int16_t *z, uint8_t count);

#else

/* The base and the leaf of each tree. */
static int32_t sum_of_leaves(const int16_t *parameters, const int16_t *z, uint8_t count)
{
    const int16_t *tree = parameters + BOUNDS + 2 * (int32_t)count;
    int32_t sum = base_of(parameters);
    int32_t left;
    for (left = parameters[TREES]; left > 0; left--) {
        const int16_t *node = tree + 1;
        int32_t word = *node;
        ROLLED
        while (word < 0) {
            node += z[(uint8_t)word] <= node[1] ? 2 : 3 * (word >> 8 & 0x7F);
            word = *node;
        }
        sum += word;
        tree += 3 * *tree - 1;
    }
    return sum;
}

static int32_t sum_of_excess(const int16_t *parameters, const int16_t *z, uint8_t count)
{
    const int16_t *low = parameters + BOUNDS;
    const int16_t *const end = z + count;
    int32_t sum = 0;
    ROLLED
    while (z != end) {
        sum += beyond(*z++, low[0], low[count]);
        low++;
    }
    return sum;
}

#endif

static int32_t score(const int16_t *parameters, const int16_t *vector, int16_t *room, uint8_t count)
{
    const int32_t distance = sum_of_leaves(parameters, vector, count);
    (void)room;
    return offbeat_scaled((distance > 0 ? distance : 0) + parameters[WEIGHT] * sum_of_excess(parameters, vector, count),
                          parameters[REDUCE], parameters[GAIN]);
}

static int32_t mean_of(const int16_t *node, int32_t leaves)
{
    const int16_t *const end = node + 3 * leaves - 2;
    int32_t total = 0;
    while (node != end) {
        if (*node < 0) {
            node += 2;
        } else {
            total += *node++;
        }
    }
    return total / leaves;
}

/* What the mean leaf changes by where the way through a tree asks for feature j. */
static int32_t path_part(const int16_t *node, int32_t leaves, const int16_t *vector, uint8_t j)
{
    int32_t part = 0;
    while (*node < 0) {
        const int32_t left = left_of(node);
        const uint8_t feature = feature_of(node);
        const int32_t above = feature == j ? mean_of(node, leaves) : 0;
        if (vector[feature] <= node[1]) {
            node += 2;
            leaves = left;
        } else {
            node += 3 * left;
            leaves -= left;
        }
        part += feature == j ? mean_of(node, leaves) - above : 0;
    }
    return part;
}

static int32_t contribution(const int16_t *parameters, const int16_t *vector, const int16_t *room, uint8_t count,
                            uint8_t j)
{
    const int16_t *tree = parameters + BOUNDS + 2 * count;
    int32_t part = parameters[WEIGHT] * excess_of(parameters, vector, count, j);
    int32_t rest = base_of(parameters);
    int16_t left;
    (void)room;
    for (left = parameters[TREES]; left > 0; left--) {
        rest += mean_of(tree + 1, *tree);
        part += path_part(tree + 1, *tree, vector, j);
        tree += 3 * *tree - 1;
    }
    return offbeat_signed_scaled(part + rest / count, parameters[REDUCE], parameters[GAIN]);
}

static int fits(const int16_t *parameters, uint32_t length, uint8_t count)
{
    uint32_t at = BOUNDS + 2U * count;
    int32_t left;
    for (left = parameters[TREES]; left > 0 && at < length; left--) {
        at += 3U * (uint16_t)parameters[at] - 1U;
    }
    return parameters[1] == count && left == 0 && at == length;
}

const offbeat_family offbeat_forest = {5, fits, score, contribution};
