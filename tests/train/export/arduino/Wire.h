// An I2C bus with a LIS3DH at 0x18, in Arduino's words.
#ifndef WIRE_H
#define WIRE_H

#include "Arduino.h"

struct TwoWire {
  void begin() {}
  void beginTransmission(uint8_t address);
  size_t write(uint8_t value);
  uint8_t endTransmission(bool stop = true);
  uint8_t requestFrom(uint8_t address, uint8_t count);
  int read();
};

extern TwoWire Wire;

#endif
