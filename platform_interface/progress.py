"""How far a run is: a bar on a terminal, elsewhere a log line now and then."""

from __future__ import annotations

import sys
import time
from typing import Any

from platform_interface.log import LOGGER

#: More assets than this are summed up in what a person sees; those that need one are shown.
MANY = 30
_LINE_EVERY = 30.0  # [s]


class Progress:
    """A bar on a terminal; elsewhere, of a run over many assets, a log line now and then."""

    def __init__(self, title: str, silent: bool) -> None:
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}
        self._title = title
        self._whole: Any = None
        self._told = (0, time.monotonic())
        if not silent and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress as Bar

            self._bar = Bar(console=Console(stderr=True), transient=True)

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def asset(self, asset: str, share: float) -> None:
        """Show how far an asset is."""
        if self._bar is not None:
            if asset not in self._tasks:
                self._tasks[asset] = self._bar.add_task(f"{self._title} {asset}".replace("[", r"\["), total=1.0)
            self._bar.update(self._tasks[asset], completed=share)

    def fleet(self, done: int, of: int) -> None:
        """Show how many assets of a run are done."""
        if self._bar is None:
            self._line(done, of)
        elif of > 1:
            while self._tasks:  # those of assets that are done
                self._bar.remove_task(self._tasks.popitem()[1])
            if self._whole is None:
                self._whole = self._bar.add_task(f"{self._title} {of:,} assets", total=of)
            self._bar.update(self._whole, completed=done)

    def _line(self, done: int, of: int) -> None:
        """Log a line every tenth of the way or half a minute."""
        before, when = self._told
        tenth = done * 10 // of > before * 10 // of
        if of > MANY and done < of and (tenth or time.monotonic() - when >= _LINE_EVERY):
            LOGGER.info("%s of %s assets are done", f"{done:,}", f"{of:,}", extra={"facts": {"done": done, "of": of}})
            self._told = (done, time.monotonic())
