"""A browser for tests of pages; and what a test run left out is said at its end: a silent skip looks like a pass."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from documentation.browser import chromium, missing


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium; without one the test is left out, or fails where TWIN_BROWSER says it is required."""
    lacking = missing()
    if lacking and os.environ.get("TWIN_BROWSER") == "required":
        pytest.fail(f"TWIN_BROWSER=required, but {lacking}")
    if lacking:
        pytest.skip(f"pages in a browser: {lacking}")
    with chromium() as found:
        yield found


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """List how many tests were left out for which reason."""
    reasons = Counter(_reason(report) for report in terminalreporter.stats.get("skipped", []))
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"LEFT OUT {count} test{'s' if count > 1 else ''}: {reason}", yellow=True)


def _reason(report: Any) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return str(text).removeprefix("Skipped: ")
