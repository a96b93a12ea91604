"""Files that are replaced whole: under MicroPython, on its own littlefs and FAT, with power cut at every operation."""

from __future__ import annotations

import pytest

from tests.device.test_journal import run


@pytest.mark.parametrize("case", ["the_old_file_or_the_new_one", "no_file_or_the_new_one"])
def test_a_power_cut_leaves_one_or_the_other(case: str) -> None:
    found = run("store_cases.py", case)
    assert found["states"] > 60
    assert found["old"] > 0 and found["new"] > 0


@pytest.mark.parametrize(
    "case",
    [
        "flash_that_fails_leaves_the_old_file", "a_full_flash_leaves_the_old_file", "fat_replaces_and_recovers",
        "every_length_is_compared_to_its_end",
    ],
)  # fmt: skip
def test_on_the_file_system(case: str) -> None:
    run("store_cases.py", case)
