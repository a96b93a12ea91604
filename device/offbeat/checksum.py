"""CRC-32 (IEEE 802.3, as zlib): binascii's where the port has it, else sixteen-entry table code."""

NIBBLES = (
    0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
    0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
)  # fmt: skip


def crc32_by_table(data, crc=0):
    """CRC-32 of bytes, going on from `crc`; what crc32() is on ports whose binascii lacks it."""
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 4) ^ NIBBLES[(crc ^ byte) & 15]
        crc = (crc >> 4) ^ NIBBLES[(crc ^ (byte >> 4)) & 15]
    return crc ^ 0xFFFFFFFF


try:
    from binascii import crc32
except ImportError:  # esp8266, micro:bit
    crc32 = crc32_by_table
