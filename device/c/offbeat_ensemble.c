/* Ensemble: the largest of its members' calibrated tail ranks; docs/pipeline.md.
 *
 * Parameters: members, count, reduce, gain; then for each member its family's number, words of its section, words of
 * its room, lines; of each line score and rank at which it begins, multiplier, shift; the member's section, and a zero
 * where its words are odd.
 * Room: which member counts, its score, the ensemble's score; then the members' rooms one behind the other.
 *
 * offbeat_members.h is written by the export: it defines OFFBEAT_MEMBER_NAME for each family that the model's ensemble
 * has as a member, so that no other one is linked. */
#include "offbeat_internal.h"
#include "offbeat_members.h"

enum {
    MEMBERS = 0,
    REDUCE = 2,
    GAIN = 3,
    FIRST_MEMBER = 4,
    /* of a member */
    NUMBER = 0,
    LENGTH = 1,
    ROOM = 2,
    COUNT_OF_LINES = 3,
    LINES = 4,
    /* of the room */
    COUNTING = 0,
    OWN = 1,
    TOTAL = 2,
    ROOMS = 3
};

#define MOST_SCORE 32766 /* that any family gives */

static const offbeat_family *member(int16_t number)
{
    switch (number) {
#ifdef OFFBEAT_MEMBER_GAUSSIAN
    case 1:
        return &offbeat_gaussian;
#endif
#ifdef OFFBEAT_MEMBER_KMEANS
    case 2:
        return &offbeat_kmeans;
#endif
#ifdef OFFBEAT_MEMBER_MIXTURE
    case 3:
        return &offbeat_mixture;
#endif
#ifdef OFFBEAT_MEMBER_PCA
    case 4:
        return &offbeat_pca;
#endif
#ifdef OFFBEAT_MEMBER_FOREST
    case 5:
        return &offbeat_forest;
#endif
#ifdef OFFBEAT_MEMBER_PROTOTYPES
    case 6:
        return &offbeat_prototypes;
#endif
#ifdef OFFBEAT_MEMBER_AUTOENCODER
    case 7:
        return &offbeat_autoencoder;
#endif
    default:
        return 0;
    }
}

static const int16_t *section_of(const int16_t *block)
{
    return block + LINES + 4 * block[COUNT_OF_LINES];
}

static const int16_t *after(const int16_t *block)
{
    return section_of(block) + (((uint32_t)(uint16_t)block[LENGTH] + 1U) & ~UINT32_C(1));
}

/* How rare a member's score is: -log2 of the share of normal windows beyond it, in 1/256 bit. */
static int32_t rank_of(const int16_t *block, int32_t score)
{
    const int16_t *line = section_of(block) - 4;
    ROLLED
    while (score < line[0]) {
        line -= 4;
    }
    return line[1] + (((score - line[0]) * line[2]) >> line[3]);
}

/* The first of equally rare members counts. A family that was not compiled in cannot go unnoticed: all is alarm. */
static int32_t score(const int16_t *parameters, const int16_t *vector, int16_t *room, uint8_t count)
{
    const int16_t *block = parameters + FIRST_MEMBER;
    int16_t *part = room + ROOMS;
    int32_t best = -1;
    int16_t i;
    ROLLED
    for (i = 0; i < parameters[MEMBERS]; i++) {
        const offbeat_family *const family = member(block[NUMBER]);
        int32_t own;
        int32_t rank;
        if (family == 0) {
            return MOST_SCORE;
        }
        own = family->score(section_of(block), vector, part, count);
        rank = rank_of(block, own);
        if (rank > best) {
            best = rank;
            room[COUNTING] = i;
            room[OWN] = (int16_t)own;
        }
        part += block[ROOM];
        block = after(block);
    }
    best = offbeat_scaled(best, parameters[REDUCE], parameters[GAIN]);
    room[TOTAL] = (int16_t)best;
    return best;
}

static int32_t contribution(const int16_t *parameters, const int16_t *vector, const int16_t *room, uint8_t count,
                            uint8_t j)
{
    const int16_t *block = parameters + FIRST_MEMBER;
    const int16_t *part = room + ROOMS;
    const uint32_t own = (uint16_t)room[OWN];
    const offbeat_family *family;
    int32_t value;
    uint32_t size;
    int16_t i;
    ROLLED
    for (i = 0; i < room[COUNTING]; i++) {
        part += block[ROOM];
        block = after(block);
    }
    family = member(block[NUMBER]);
    if (family == 0 || own == 0) {
        return 0;
    }
    value = offbeat_clamp(family->contribution(section_of(block), vector, part, count, j), MOST_SCORE);
    size = ((uint32_t)(value < 0 ? -value : value) * (uint16_t)room[TOTAL] + (own >> 1)) / own;
    if (size > MOST_SCORE) {
        size = MOST_SCORE;
    }
    return value < 0 ? -(int32_t)size : (int32_t)size;
}

static int fits(const int16_t *parameters, uint32_t length, uint8_t count)
{
    uint32_t at = FIRST_MEMBER;
    int32_t left;
    for (left = parameters[MEMBERS]; left > 0 && at + LINES < length; left--) {
        const int16_t *const block = parameters + at;
        const offbeat_family *const family = member(block[NUMBER]);
        const uint32_t own = (uint16_t)block[LENGTH];
        const uint32_t end = (uint32_t)(after(block) - parameters);
        if (family == 0 || own < 5U || end > length || !family->fits(section_of(block), own, count)) {
            return 0;
        }
        at = end;
    }
    return parameters[1] == count && left == 0 && at == length;
}

const offbeat_family offbeat_ensemble = {9, fits, score, contribution};
