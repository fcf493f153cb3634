"""Headless Chromium for tests and for the pictures of the documentation; what it says and asks for is recorded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PHONE = {"width": 360, "height": 780}
DESK = {"width": 1280, "height": 900}


def missing() -> str:
    """Say what is missing for browser tests; empty when nothing is."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "playwright is not installed (pip install -r requirements-dev.txt)"
    return "" if executable() else "no Chromium on this machine (apt-get install chromium, or set TWIN_CHROMIUM)"


def executable() -> str | None:
    """Return the browser's path."""
    return os.environ.get("TWIN_CHROMIUM") or next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def chromium() -> Iterator[Any]:
    """Start the browser; as root it needs to run without its sandbox."""
    from playwright.sync_api import sync_playwright

    quiet = [
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable(), args=[*quiet, *root])
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """One page in one tab, and what it did: console messages, errors, requests."""

    tab: Any
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @property
    def outside(self) -> list[str]:
        """Requests that left the folder."""
        return [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))]


@contextmanager
def visit(browser: Any, path: Path, scheme: str = "light", phone: bool = False) -> Iterator[Visit]:
    """Open a page and wait until it is drawn."""
    context = browser.new_context(
        color_scheme=scheme, viewport=PHONE if phone else DESK, is_mobile=phone, has_touch=phone, locale="en-GB",
        timezone_id="America/Los_Angeles", offline=True, device_scale_factor=2 if phone else 1,
    )  # fmt: skip
    try:
        found = Visit(context.new_page())
        found.tab.on("console", lambda message: found.messages.append(f"{message.type}: {message.text}"))
        found.tab.on("pageerror", lambda error: found.messages.append(f"error: {error}"))
        found.tab.on("request", lambda request: found.requests.append(request.url))
        found.tab.goto(path.resolve().as_uri())
        found.tab.wait_for_selector("html[data-ready=yes]", state="attached", timeout=60_000)
        yield found
    finally:
        context.close()
