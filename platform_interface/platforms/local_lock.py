"""One writer of series at a time and asset, in this process or another: a day file is read, changed and replaced."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platform_interface.errors import PlatformError

_NAME = ".writing"


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Wait for every other writer of this asset's series; the system lets go of the lock when a process dies."""
    descriptor = _locked(folder / _NAME)
    try:
        yield
    finally:
        os.close(descriptor)


def _locked(path: Path) -> int:
    """Return the locked file; one that was deleted with its asset while we waited locks nothing any more."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise PlatformError(f"{path.parent}: {error.strerror}. Is the disk full, or the folder read-only?") from None
        try:
            _lock(descriptor)
            if os.fstat(descriptor).st_ino == path.stat().st_ino:
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


if os.name == "posix":
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)

else:  # pragma: no cover - Windows
    import msvcrt
    import time

    def _lock(descriptor: int) -> None:
        while True:  # its own waiting gives up after ten seconds
            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
            except OSError:
                time.sleep(0.01)
            else:
                return
