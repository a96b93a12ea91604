#include "checksum.h"

uint32_t checksum(const char *text, uint16_t length)
{
    /* Half a byte a step: 64 bytes of table. */
    static const uint32_t steps[16] = {
        0x00000000U, 0x1DB71064U, 0x3B6E20C8U, 0x26D930ACU, 0x76DC4190U, 0x6B6B51F4U, 0x4DB26158U, 0x5005713CU,
        0xEDB88320U, 0xF00F9344U, 0xD6D6A3E8U, 0xCB61B38CU, 0x9B64C2B0U, 0x86D3D2D4U, 0xA00AE278U, 0xBDBDF21CU,
    };
    uint32_t check = 0xFFFFFFFFU;

    for (uint16_t i = 0U; i < length; i++) {
        check ^= (uint8_t)text[i];
        check = (check >> 4) ^ steps[check & 15U];
        check = (check >> 4) ^ steps[check & 15U];
    }
    return ~check;
}
