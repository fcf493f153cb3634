"""Loaded by Dask in every own worker process as it starts."""

from __future__ import annotations

import signal
import sys
from typing import Any


def dask_setup(_worker: Any) -> None:
    """Leave Ctrl-C to the parent, and end with it, even while native code holds the interpreter."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        import ctypes

        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
