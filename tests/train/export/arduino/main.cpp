// Runs a sketch against the shim: setup(), then loop() as often as the argument says. Samples are those of stdin.
#include <cstdlib>
#include <cstring>

#include "Wire.h"

HardwareSerial Serial;
TwoWire Wire;

static uint8_t registers[128];
static uint8_t pointer;
static bool first;
static bool fits;

int analogRead(uint8_t) { return 7; }

void delay(unsigned long) { std::exit(3); }

void TwoWire::beginTransmission(uint8_t address) {
  first = true;
  fits = address == 0x18;
}

size_t TwoWire::write(uint8_t value) {
  if (first) {
    pointer = value & 0x7F;
    first = false;
  } else {
    registers[pointer] = value;
  }
  return 1;
}

uint8_t TwoWire::endTransmission(bool) { return fits ? 0 : 2; }

uint8_t TwoWire::requestFrom(uint8_t, uint8_t count) {
  if (pointer == 0x28) {
    for (int i = 0; i < 3; i++) {
      int value = 0;
      if (std::scanf("%d", &value) != 1) std::exit(0);
      const unsigned raw = static_cast<unsigned>(value) << 4;
      registers[0x28 + 2 * i] = static_cast<uint8_t>(raw & 0xFF);
      registers[0x29 + 2 * i] = static_cast<uint8_t>(raw >> 8 & 0xFF);
    }
  }
  return count;
}

int TwoWire::read() { return registers[pointer++]; }

int main(int, char **words) {
  registers[0x0F] = 0x33;
  registers[0x27] = 0x08;
  setup();
  for (int i = 0; i < std::atoi(words[1]); i++) loop();
  return 0;
}
