"""Make the forecaster that the plugin ships: fit, intervals, factor of the knee's warning, export, and its figures.

    python -m training.soh.forecast_make

Every piece is kept under `training-work/soh/forecast-shipped`, so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import hashlib
import json

from benchmarks.measured_data import shared_data
from training.soh.forecast_export import graph_of
from training.soh.forecast_make_judge import judged, knee_factor
from training.soh.forecast_rows import GROUPS, data_hash
from training.soh.forecast_shipped import SEED, Make, fingerprint
from training.soh.forecast_tasks import ROOT

CACHE = ROOT / "training-work" / "soh" / "forecast-shipped"
SHIPPED = ROOT / "models" / "neural_soh" / "forecast.onnx"
RESULTS = ROOT / "training" / "soh" / "results" / "forecast_shipped.json"
VERSION = "1.0.0"


def main() -> None:
    """Make the forecaster, write it, and write what was measured on it."""
    shared = shared_data()
    if shared is None:
        raise SystemExit("the measured data are not here; they belong into ../shared/data, or set TWIN_SHARED_DATA")
    make = Make(shared, CACHE / fingerprint())
    factor = knee_factor(make)
    about = {
        "what": "Forecast of the health of a cell 5, 20, 50 and 100 charges ahead from its estimates so far",
        "version": VERSION, "seed": str(SEED), "code": fingerprint(), "data_sha256": data_hash(shared), "knee_factor": str(factor),
        "training_cells": json.dumps({group: make.groups.count(group) for group in GROUPS}),
    }  # fmt: skip
    content = graph_of(make.shipped, about)
    SHIPPED.write_bytes(content)
    print(f"{SHIPPED.name}: {len(content) / 1e6:.2f} MB, SHA-256 {hashlib.sha256(content).hexdigest()}", flush=True)
    found = {"configuration": about, "sha256": hashlib.sha256(content).hexdigest(), **judged(make, content, factor)}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
