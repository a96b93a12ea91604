"""Every power cut of 10,000 records of the journal, on MicroPython's littlefs: docs/journal.md, by `make journal-sweep`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from benchmarks.results import ROOT, put_section, refuse, table
from offbeat.host.virtual_process import need_micropython

__all__ = ["sweep", "together", "wear"]

_SCRIPTS = ROOT / "tests" / "device"
_PAGE = ROOT / "docs" / "journal.md"


def sweep(records: int, processes: int) -> dict[str, Any]:
    """Run power_cuts.py over all records, dealt in turn to some processes; returns their counts, added up."""
    environment = {**os.environ, "MICROPYPATH": f"{ROOT / 'device'}:{_SCRIPTS}:.frozen"}
    command = [str(need_micropython()), "-X", "heapsize=16M", str(_SCRIPTS / "power_cuts.py"), str(records)]
    running = [
        subprocess.Popen([*command, str(processes), str(rest)], env=environment, stdout=subprocess.PIPE)
        for rest in range(processes)
    ]
    return together([json.loads(process.communicate()[0]) for process in running])


def together(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The counts of processes that each looked at their share of the records, as one."""
    added = ("operations", "states", "lost", "corrupt")
    return {**parts[0], **{key: sum(part[key] for part in parts) for key in added}}


def wear() -> dict[str, Any]:
    """Wear of a day with the rings full, quiet and with an alarm each second: wear_is_bounded of journal_cases.py."""
    environment = {**os.environ, "MICROPYPATH": f"{ROOT / 'device'}:{_SCRIPTS}:.frozen"}
    script = str(_SCRIPTS / "journal_cases.py")
    command = [str(need_micropython()), "-X", "heapsize=32M", script, "wear_is_bounded", "24"]
    return json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)


def _cuts(found: dict[str, Any], minutes: float) -> str:
    rows = [
        ("records appended one by one", found["records"]),
        ("flash operations (program, erase) of these appends", found["operations"]),
        ("states that a power cut can leave, each recovered from", found["states"]),
        ("states in which a committed record is lost, or the log does not go on", found["lost"]),
        ("states in which a record is shown that was not written", found["corrupt"]),
        ("erasures an append, on the average", f"{found['erased'] / found['records']:.3f}"),
        ("most erasures of one append", found["most_erased"]),
    ]
    return table(("", ""), rows) + f"\nTook {minutes:.0f} minutes."


def _wear(found: dict[str, Any]) -> str:
    rows = [
        (name, part["writes"], part["erased"], f"{part['erased'] / 352:.1f}", part["worst"],
         f"{100_000 * 352 / part['erased'] / 365:.0f}")
        for name, part in (("quiet", found["quiet"]), ("an alarm each second", found["alarms"]))
    ]  # fmt: skip
    header = ("a day", "writes", "erasures", "a block, average", "worst block", "years to 100,000 a block")
    return table(header, rows)


def main() -> None:
    """Sweep, and put what was found into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--page", type=Path, default=_PAGE)
    parser.add_argument("--found", type=Path, nargs="+", help="what power_cuts.py printed, all shares of one run")
    given = parser.parse_args()
    if given.found:
        found = together([json.loads(path.read_text()) for path in given.found])
        put_section(given.page, "power cuts", _cuts(found, found["seconds"] / 60))
    else:
        began = time.monotonic()
        found = sweep(given.records, given.processes)
        put_section(given.page, "power cuts", _cuts(found, (time.monotonic() - began) / 60))
        put_section(given.page, "wear", _wear(wear()))
    if found["lost"] or found["corrupt"]:
        refuse(f"the journal lost records: {found['examples']}")


if __name__ == "__main__":
    main()
