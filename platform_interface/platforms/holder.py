"""Who holds a lease: a process on a machine, and whether it may still run."""

from __future__ import annotations

import os
import socket
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=1)
def this_host() -> str:
    """Return the name of this machine, and what tells it from others of the name: its start, and its space of process ids."""
    try:
        start = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:8]
        space = Path("/proc/self/ns/pid").readlink().name.strip("pid:[]")
    except OSError:  # not Linux
        return socket.gethostname()
    return f"{socket.gethostname()} ({start}-{space})"


def alive(host: str, pid: int) -> bool:
    """Whether a holder may still run; on another machine, or on Windows, only time tells."""
    if host != this_host() or os.name != "posix" or pid <= 0:
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return not _zombie(pid)


def _zombie(pid: int) -> bool:
    """Whether a process has ended and only its entry is left: in a container nobody may ever take it away."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False
