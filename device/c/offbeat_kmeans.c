/* Squared distance to the nearest centroid over its squared radius; docs/pipeline.md.
 *
 * Parameters: clusters, count; reduce and gain of each cluster; the centroids by rows. */
#include "offbeat_internal.h"

static int32_t difference(const int16_t *parameters, const int16_t *vector, uint8_t count, int32_t cluster, uint8_t j)
{
    return offbeat_clamp(vector[j] - parameters[2 + 2 * parameters[0] + cluster * count + j], 2047);
}

/* Leaves the nearest cluster, the first of equals, in room[0]. */
static int32_t score(const int16_t *parameters, const int16_t *vector, int16_t *room, uint8_t count)
{
    int32_t best = INT32_MAX;
    int16_t cluster;
    ROLLED
    for (cluster = 0; cluster < parameters[0]; cluster++) {
        int32_t distance = 0;
        uint8_t j;
        ROLLED
        for (j = 0; j < count; j++) {
            const int32_t x = difference(parameters, vector, count, cluster, j);
            distance += x * x;
        }
        distance = offbeat_scaled(distance, parameters[2 + 2 * cluster], parameters[3 + 2 * cluster]);
        if (distance < best) {
            best = distance;
            room[0] = cluster;
        }
    }
    return best;
}

static int32_t contribution(const int16_t *parameters, const int16_t *vector, const int16_t *room, uint8_t count,
                            uint8_t j)
{
    const int32_t x = difference(parameters, vector, count, room[0], j);
    return offbeat_scaled(x * x, parameters[2 + 2 * room[0]], parameters[3 + 2 * room[0]]);
}

static int fits(const int16_t *parameters, uint32_t length, uint8_t count)
{
    const uint32_t clusters = (uint16_t)parameters[0];
    return parameters[1] == count && length == 2U + clusters * (2U + count);
}

const offbeat_family offbeat_kmeans = {2, fits, score, contribution};
