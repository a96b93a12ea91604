/* A layer of int8 weights: sums of weights times inputs, each on its unit's scale. Units are taken four at a time.
 *
 * Of the weights, four of each unit lie side by side. Those of even inputs have 128 added and are uint8, those of odd
 * inputs are int8. So each pair of them, read as one number of 16 bits, is u + 256 w, and with x and y the inputs of u
 * and w
 *
 *     256 (u x + w y) = (u + 256 w) y + u (256 x - y)
 *
 * takes two dual products of 16 bits for four weights, and only the low bytes have to be unpacked. Sums start at -128
 * times the sum of the even inputs, which takes the 128 away again. A core without dual products loads unsigned bytes as
 * it loads signed ones.
 *
 * In assembler, as no compiler keeps four sums, the inputs and the weights in the registers that there are. A shift to
 * the right leaves in the carry the bit that rounds. */
#include "offbeat_dsp.h"

#define FUNCTION                                            \
    ".syntax unified\n\t"                                   \
    ".pushsection .text.offbeat_layer, \"ax\", %progbits\n\t" \
    ".balign 4\n\t"                                         \
    ".global offbeat_layer\n\t"                             \
    ".thumb\n\t"                                            \
    ".type offbeat_layer, %function\n"                      \
    "offbeat_layer:\n\t"
#define END ".size offbeat_layer, . - offbeat_layer\n\t.popsection"

/* r0 goes through the layer, r1 through the inputs, r2 is the number of columns, r3 goes through the outputs; on the stack
 * the number of outputs and where sums start. */
#if defined(OFFBEAT_DSP)

#define ROW(sum, weights)                 \
    "uxtb16 r12, " weights "\n\t"         \
    "smlad " sum ", r12, r2, " sum "\n\t" \
    "smlad " sum ", " weights ", r3, " sum "\n\t"
#define GROUP "ldmia r0!, {r4-r7}\n\tldrd r2, r3, [r1], #8\n\t" ROW("r8", "r4") ROW("r9", "r5") ROW("r10", "r6") ROW("r11", "r7")
#define LOOP                \
    "lsrs lr, r2, #3\n\t"   \
    "bcc 2f\n\t"            \
    "add lr, lr, #1\n\t"    \
    "b 3f\n"                \
    "2:\n\t" GROUP          \
    "3:\n\t" GROUP          \
    "subs lr, lr, #1\n\t"   \
    "bne 2b\n\t"
#define WHOLE(sum) "asr " sum ", " sum ", #8\n\t"

#elif defined(OFFBEAT_ARMV7M)

#define PRODUCT(load, sum, input, at) load " r12, [r0, #" at "]\n\tmla " sum ", r12, " input ", " sum "\n\t"
#define ROW(sum, first, second, third, fourth)                                                 \
    PRODUCT("ldrb", sum, "r4", first) PRODUCT("ldrsb", sum, "r5", second)                      \
    PRODUCT("ldrb", sum, "r6", third) PRODUCT("ldrsb", sum, "r7", fourth)
#define LOOP                                                                                             \
    "2:\n\t"                                                                                             \
    "ldmia r1!, {r4-r7}\n\t"                                                                             \
    "ldrb r12, [r0], #16\n\t"                                                                            \
    "mla r8, r12, r4, r8\n\t"                                                                            \
    PRODUCT("ldrsb", "r8", "r5", "-15") PRODUCT("ldrb", "r8", "r6", "-14") PRODUCT("ldrsb", "r8", "r7", "-13") \
    ROW("r9", "-12", "-11", "-10", "-9") ROW("r10", "-8", "-7", "-6", "-5") ROW("r11", "-4", "-3", "-2", "-1") \
    "subs r2, r2, #4\n\t"                                                                                \
    "bne 2b\n\t"
#define WHOLE(sum)

#endif

#if defined(OFFBEAT_DSP) || defined(OFFBEAT_ARMV7M)

#define SCALE(sum, bias, multiplier, first, second) \
    "ldrb r2, [r1, #" first "]\n\t" WHOLE(sum)      \
    "asr " sum ", " sum ", r2\n\t"                  \
    "ldrsh r2, [r1, #" bias "]\n\t"                 \
    "add " sum ", " sum ", r2\n\t"                  \
    "ldrh r2, [r1, #" multiplier "]\n\t"            \
    "mul " sum ", " sum ", r2\n\t"                  \
    "ldrb r2, [r1, #" second "]\n\t"                \
    "asrs " sum ", " sum ", r2\n\t"                 \
    "adc " sum ", " sum ", #0\n\t"

__asm__(FUNCTION
        "push {r0-r11, lr}\n"
        "1:\n\t"
        "ldr r8, [sp, #56]\n\t"
        "str r0, [sp]\n\t"
        "adds r0, #24\n\t"
        "mov r9, r8\n\t"
        "mov r10, r8\n\t"
        "mov r11, r8\n\t"
        LOOP
        "ldr r1, [sp]\n\t"
        SCALE("r8", "0", "2", "4", "5") SCALE("r9", "6", "8", "10", "11")
        SCALE("r10", "12", "14", "16", "17") SCALE("r11", "18", "20", "22", "23")
        "ldr r3, [sp, #12]\n\t"
        "ldr r4, [sp, #52]\n\t"
        "stmia r3!, {r8-r11}\n\t"
        "ldrd r1, r2, [sp, #4]\n\t"
        "subs r4, #4\n\t"
        "str r3, [sp, #12]\n\t"
        "str r4, [sp, #52]\n\t"
        "bgt 1b\n\t"
        "add sp, #16\n\t"
        "pop {r4-r11, pc}\n\t"
        END);

#elif defined(OFFBEAT_ARMV6M)

/* r0, r3, r4 and r5 are where the rows end, r2 what is left to there, r6 an input, r8 to r11 the sums, r12 the values, lr
 * the scales. */
#define PRODUCT(load, row, sum) load " r7, [" row ", r2]\n\tmuls r7, r6, r7\n\tadd " sum ", r7\n\t"
#define COLUMN(load, step)                                                                          \
    "ldmia r1!, {r6}\n\t" PRODUCT(load, "r0", "r8") PRODUCT(load, "r3", "r9")                       \
    PRODUCT(load, "r4", "r10") PRODUCT(load, "r5", "r11") "adds r2, #" step "\n\t"
#define SCALE(value, sum, bias, multiplier, first, second) \
    "mov " value ", " sum "\n\t"                           \
    "ldrb r2, [r1, #" first "]\n\t"                        \
    "asrs " value ", r2\n\t"                               \
    "movs r2, #" bias "\n\t"                               \
    "ldrsh r2, [r1, r2]\n\t"                               \
    "adds " value ", " value ", r2\n\t"                    \
    "ldrh r2, [r1, #" multiplier "]\n\t"                   \
    "muls " value ", r2, " value "\n\t"                    \
    "ldrb r2, [r1, #" second "]\n\t"                       \
    "asrs " value ", r2\n\t"                               \
    "movs r2, #0\n\t"                                      \
    "adcs " value ", r2\n\t"

__asm__(FUNCTION
        "push {r4-r7, lr}\n\t"
        "mov r4, r8\n\t"
        "mov r5, r9\n\t"
        "mov r6, r10\n\t"
        "mov r7, r11\n\t"
        "push {r1-r7}\n"
        "1:\n\t"
        "ldr r3, [sp, #52]\n\t"
        "mov lr, r0\n\t"
        "mov r8, r3\n\t"
        "mov r9, r3\n\t"
        "mov r10, r3\n\t"
        "mov r11, r3\n\t"
        "lsls r2, r2, #2\n\t"
        "adds r0, #24\n\t"
        "adds r0, r0, r2\n\t"
        "adds r3, r0, #4\n\t"
        "adds r4, r3, #4\n\t"
        "adds r5, r4, #4\n\t"
        "rsbs r2, r2, #0\n"
        "2:\n\t"
        COLUMN("ldrb", "1") COLUMN("ldrsb", "1") COLUMN("ldrb", "1") COLUMN("ldrsb", "13")
        "bne 2b\n\t"
        "mov r1, lr\n\t"
        SCALE("r4", "r8", "0", "2", "4", "5") SCALE("r5", "r9", "6", "8", "10", "11")
        SCALE("r6", "r10", "12", "14", "16", "17") SCALE("r7", "r11", "18", "20", "22", "23")
        "ldr r3, [sp, #8]\n\t"
        "stmia r3!, {r4-r7}\n\t"
        "str r3, [sp, #8]\n\t"
        "ldr r1, [sp]\n\t"
        "ldr r2, [sp, #4]\n\t"
        "ldr r4, [sp, #48]\n\t"
        "subs r4, #4\n\t"
        "str r4, [sp, #48]\n\t"
        "ble 3f\n\t"
        "b 1b\n"
        "3:\n\t"
        "add sp, #12\n\t"
        "pop {r4-r7}\n\t"
        "mov r8, r4\n\t"
        "mov r9, r5\n\t"
        "mov r10, r6\n\t"
        "mov r11, r7\n\t"
        "pop {r4-r7, pc}\n\t"
        END);

#else

enum { BIAS = 0, MULTIPLIER = 1, SHIFTS = 2, UNIT = 3, UNITS = 4 };

/* One unit of a block of four, of which the weights begin at `weight`. */
static int32_t unit(const int16_t *scale, const uint8_t *weight, const offbeat_input *inputs, int32_t columns, int32_t total)
{
    const offbeat_input *const end = inputs + columns;
    const int32_t shifts = (uint16_t)scale[SHIFTS];
    ROLLED
    for (; inputs != end; inputs += 4) {
        total += weight[0] * inputs[0] + (int8_t)weight[1] * inputs[1];
        total += weight[2] * inputs[2] + (int8_t)weight[3] * inputs[3];
        weight += 4 * UNITS;
    }
    total = (total >> (shifts & 0xFF)) + scale[BIAS];
    return offbeat_rounded_shift(total * scale[MULTIPLIER], shifts >> 8);
}

const int16_t *offbeat_layer(const int16_t *block, const offbeat_input *inputs, int32_t columns, offbeat_input *outputs,
                             int32_t count, int32_t start)
{
    ROLLED
    for (; count > 0; count -= UNITS) {
        const uint8_t *const weights = (const uint8_t *)(block + UNIT * UNITS);
        int32_t r;
        ROLLED
        for (r = 0; r < UNITS; r++) {
            *outputs++ = unit(block + UNIT * r, weights + 4 * r, inputs, columns, start);
        }
        block += UNIT * UNITS + 2 * columns;
    }
    return block;
}

#endif
