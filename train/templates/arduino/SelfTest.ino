// Scores the golden windows of model {{ model.identity }} and says whether every number is the trainer's.
#include <Offbeat.h>

#include "golden.h"

static int16_t work[OFFBEAT_MODEL_WORK];
static int16_t vector[OFFBEAT_MODEL_VECTOR];
static int32_t features[OFFBEAT_MODEL_FEATURES];
static offbeat_state state;

static bool passes(uint8_t i) {
  bool same = true;
  offbeat_reset(&state);
  offbeat_features(&state, goldenWindows[i], 0, OFFBEAT_MODEL_WINDOW, features);
  for (uint16_t j = 0; j < OFFBEAT_MODEL_FEATURES; j++) {
    same = same && features[j] == goldenFeatures[i][j];
  }
  return offbeat_score(&state, features) == goldenScores[i] && same;
}

void setup() {
  Serial.begin(115200);
  if (offbeat_init(&state, &offbeat_the_model, work, OFFBEAT_MODEL_WORK, vector, OFFBEAT_MODEL_VECTOR) != OFFBEAT_OK) {
    Serial.println("FAILED: model and library do not fit each other");
    return;
  }
  uint8_t failed = 0;
  for (uint8_t i = 0; i < GOLDEN; i++) {
    failed = static_cast<uint8_t>(failed + (passes(i) ? 0 : 1));
  }
  Serial.println(failed == 0 ? "OK: every golden window as the trainer found it" : "FAILED: other numbers than the trainer's");
}

void loop() {}
