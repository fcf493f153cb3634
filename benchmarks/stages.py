"""Where the time of one run goes, stage by stage: ``python -m benchmarks.stages <store> <asset> <models>`` prints JSON.

Functions of the pipeline are wrapped with clocks; a stage's time is without the stages inside it. Where a thread works
ahead, its stages run beside those of the main thread, so the sum may exceed the wall time.
"""

from __future__ import annotations

import functools
import json
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.processes import PLUGINS

STAGES = {
    "read": ["platforms.local.LocalPlatform.read"],
    "order": ["passes.ordered"],
    "fingerprint": ["passes.pieces"],
    "checks": ["passes.clean"],
    "outputs": ["step.prepare"],
    "write": [f"platforms.local.LocalPlatform.{name}" for name in ("replace", "save_state", "take_lease")],
}


class Clocks:
    """Exclusive seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._local = threading.local()

    def wrap(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function with a clock around it."""

        @functools.wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            inner = self._local.__dict__.setdefault("inner", [0.0])
            inner.append(0.0)
            began = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                spent = time.perf_counter() - began
                self.seconds[stage] += spent - inner.pop()
                inner[-1] += spent

        return timed

    def wrap_name(self, stage: str, path: str) -> None:
        """Wrap ``module.function`` or ``module.Class.method`` of the integration layer, where it is looked up."""
        import importlib

        *owner, name = path.split(".")
        names = [part for part in owner if part[0].islower()]
        target: Any = importlib.import_module(".".join(["platform_interface", *names]))
        for part in owner[len(names) :]:
            target = getattr(target, part)
        setattr(target, name, self.wrap(stage, getattr(target, name)))


def shares(store: str, asset: str, models: str) -> dict[str, float]:
    """Run these models in full on one asset, and return seconds by stage."""
    from platform_interface.fleet import run_fleet
    from platform_interface.launch import Launch, program_folder
    from platform_interface.model import registered
    from platform_interface.plans import prepare_models
    from platform_interface.settings import load_settings

    values = {
        "execution": {"enabled_models": models, "compute_type": "full", "plugin_folders": [str(PLUGINS)]},
        "platform": {"connector": "local", "store": store},
    }
    launch = Launch(assetId=asset, configurationValues=values)
    settings = load_settings(program_folder() / "settings.json", launch)
    prepare_models(settings)
    clocks = Clocks()
    for stage, paths in STAGES.items():
        for path in paths:
            clocks.wrap_name(stage, path)
    for name in models.split(","):
        model = registered(name)
        setattr(model, "process", clocks.wrap(name, model.process))  # noqa: B010 - mypy refuses the assignment
    report = run_fleet(launch, settings)
    return {**clocks.seconds, "wall": report.assets[0].seconds}


if __name__ == "__main__":
    print(json.dumps(shares(str(Path(sys.argv[1]).resolve()), *sys.argv[2:4])))
