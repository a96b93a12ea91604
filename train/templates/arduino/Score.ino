// Scores a machine with model {{ model.identity }}{% if axes | select | list %}: a LIS3DH accelerometer on I2C (Wire){% endif %}, at {{ model.rate_millihertz / 1000 }} samples a second.
// {{ "Another sensor" if axes | select | list else "Your sensor" }}: fill frame[] in readFrame() with the same channels, in the same unit a count as in training
// ({% for name in channels %}{{ loop.index0 }} {{ name | plain }}{{ ", " if not loop.last }}{% endfor %}{% if model.meta.get("scales") %}; unit a count: {{ model.meta["scales"] | plain }} {{ model.meta.get("units", "") | plain }}{% endif %}).
{% if axes | select | list %}
#include <Wire.h>

{% endif %}
#include <Offbeat.h>

static Offbeat detector;
{% if axes | select | list %}
static const uint8_t LIS3DH = 0x18;

static void writeRegister(uint8_t address, uint8_t value) {
  Wire.beginTransmission(LIS3DH);
  Wire.write(address);
  Wire.write(value);
  Wire.endTransmission();
}

static bool readRegisters(uint8_t address, uint8_t *bytes, uint8_t count) {
  Wire.beginTransmission(LIS3DH);
  Wire.write(address);
  if (Wire.endTransmission(false) != 0 || Wire.requestFrom(LIS3DH, count) != count) {
    return false;
  }
  for (uint8_t i = 0; i < count; i++) {
    bytes[i] = static_cast<uint8_t>(Wire.read());
  }
  return true;
}

// Thousandths of g, which are the sensor's counts, in counts of so many millionths of g.
static int16_t countsOf(int16_t milliG, int32_t microG) {
  const int32_t counts = static_cast<int32_t>(milliG) * 1000 / microG;
  return static_cast<int16_t>(counts > 32767 ? 32767 : counts < -32768 ? -32768 : counts);
}

// A frame when the sensor has a new one. Registers: ST DocID17530; 12 bits, left-justified, 1 mg a count.
static bool readFrame(int16_t *frame) {
  uint8_t bytes[6];
  if (!readRegisters(0x27, bytes, 1) || (bytes[0] & 0x08) == 0 || !readRegisters(0x28 | 0x80, bytes, 6)) {
    return false;
  }
  int16_t xyz[3];
  for (uint8_t i = 0; i < 3; i++) {
    xyz[i] = static_cast<int16_t>(static_cast<int16_t>(bytes[2 * i] | (bytes[2 * i + 1] << 8)) >> 4);
  }
{% else %}
// The model's rate, or its channels, are none of a LIS3DH: wait here until your sensor has a frame.
static bool readFrame(int16_t *frame) {
{% endif %}
{% for name in channels %}
{% if axes[loop.index0] %}
  frame[{{ loop.index0 }}] = countsOf(xyz[{{ axes[loop.index0][0] }}], {{ axes[loop.index0][1] }});
{% else %}
  frame[{{ loop.index0 }}] = static_cast<int16_t>(analogRead(A0)); // {{ name | plain }}: put your sensor here
{% endif %}
{% endfor %}
  return true;
}

// Says why there is nothing to score, and stops.
static void stop(const char *why) {
  for (;;) {
    Serial.println(why);
    delay(1000);
  }
}

void setup() {
  Serial.begin(115200);
{% if axes | select | list %}
  Wire.begin();
  writeRegister(0x23, 0x88); // block update, high resolution, +-2 g
  writeRegister(0x20, {{ data_rate }}); // {{ model.rate_millihertz / 1000 }} Hz, all axes
  uint8_t identity = 0;
  if (!readRegisters(0x0F, &identity, 1) || identity != 0x33) {
    stop("no LIS3DH answers at 0x18");
  }
{% endif %}
  if (!detector.begin()) {
    stop("model and library do not fit each other");
  }
}

void loop() {
  int16_t frame[OFFBEAT_MODEL_CHANNELS];
  if (readFrame(frame) && detector.push(frame)) {
    Serial.print("score ");
    Serial.print(detector.score());
    Serial.println(detector.alarm() ? " ALARM" : "");
  }
}
