// As much of Arduino's core as the exported examples use, on the host.
#ifndef ARDUINO_H
#define ARDUINO_H

#include <cstddef>
#include <cstdint>
#include <cstdio>

#define A0 14

struct HardwareSerial {
  void begin(unsigned long) {}
  void print(const char *text) { std::fputs(text, stdout); }
  void print(int32_t value) { std::printf("%ld", static_cast<long>(value)); }
  void println(const char *text) { std::printf("%s\n", text); }
};

extern HardwareSerial Serial;
int analogRead(uint8_t pin);
void delay(unsigned long milliseconds);
void setup();
void loop();

#endif
