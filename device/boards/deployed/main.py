"""Starts offbeat. `offbeat deploy` wrote this file and replaces it; `offbeat undeploy` removes it."""

import sys

SLOT = "offbeat_a"

sys.path.insert(0, SLOT)

from offbeat.start import start

start(SLOT)
