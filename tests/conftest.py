"""What all tests share: where the real recordings are, and how hypothesis searches."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# Equal on every run and machine: a failure is a failure, and a busy computer is none.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.load_profile("ci")

_BESIDE = Path(__file__).resolve().parents[1].parent / "shared" / "data"


def _data_directory() -> Path | None:
    """Where the recordings are: $OFFBEAT_DATA, else shared/data beside the repository; None without them."""
    named = os.environ.get("OFFBEAT_DATA")
    candidates = [Path(named)] if named else []
    return next((path for path in [*candidates, _BESIDE] if path.is_dir()), None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("needs_shared") is None or _data_directory() is not None:
        return
    reason = (
        f"needs the real recordings: neither {os.environ.get('OFFBEAT_DATA') or '$OFFBEAT_DATA'} nor {_BESIDE} is there"
    )
    if os.environ.get("OFFBEAT_CI") == "1":
        pytest.fail(f"{reason}, and OFFBEAT_CI=1 says that they must be", pytrace=False)
    pytest.skip(reason)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI everything that a test needs is installed, so a skipped test is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if skipped and os.environ.get("OFFBEAT_CI") == "1":
        reporter.write_line(f"OFFBEAT_CI=1, but {len(skipped)} tests were skipped: {skipped[0].longrepr}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Directory of a set of real recordings by its name; for tests that are marked needs_shared."""

    def find(name: str) -> Path:
        directory = _data_directory()
        assert directory is not None, "mark this test with needs_shared"
        path = directory / name
        if not path.is_dir():
            pytest.fail(f"{path}: there is no such set of recordings", pytrace=False)
        return path

    return find
