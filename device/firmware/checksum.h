/* CRC-32 as in zlib (ISO 3309, ITU-T V.42): reflected polynomial 0xEDB88320. */
#ifndef FIRMWARE_CHECKSUM_H
#define FIRMWARE_CHECKSUM_H

#include <stdint.h>

uint32_t checksum(const char *text, uint16_t length);

#endif
