"""The conformance suite: the laws of `design.md`, section 2, over any plugin.

Each function proves one law on one plugin and raises AssertionError where it does not hold. `tests/test_plugins.py` runs
them over every plugin there is; `tests/test_broken_plugins.py` shows that they catch plugins that break them.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from platform_interface.manifest import Manifest
from platform_interface.mapping import site_name
from tests.kit import SCRATCH, START, Rows, Site
from tests.random_site import dirty, manifest_of, parameters_of, pattern_of, telemetry

DAY = 86_400_000
FAR = START + 30 * DAY


@contextmanager
def site_for(manifest: Manifest, parameters: dict[str, Any] | None = None) -> Iterator[Site]:
    folder = Path(tempfile.mkdtemp(prefix="twin-", dir=SCRATCH))
    try:
        yield Site(folder, parameters_of(manifest) if parameters is None else parameters)
    finally:
        shutil.rmtree(folder)


def whole(folder: Path, rows: Sequence[Rows], models: Sequence[str] = ()) -> dict[str, Any]:
    """Return what one full run over timely, sorted data leaves on the platform: the reference."""
    manifest = manifest_of(folder)
    names = [*models] or [folder.name]
    with site_for(manifest) as site:
        site.put(*rows)
        report = site.run(names, FAR, compute_type="full")
        _went_well(report, names)
        return site.contents(names)


def _went_well(report: Any, names: Sequence[str]) -> None:
    for model in report.assets[0].models:
        if model.model in names:
            assert model.status in ("done", "no new data"), f"{model.model}: {model.status}: {model.reason}"


def assert_same(found: dict[str, Any], wanted: dict[str, Any], what: str) -> None:
    """Compare bit by bit; name the first series that differs, and where."""
    assert found.keys() == wanted.keys(), f"{what}: {sorted(found.keys() ^ wanted.keys())} only on one side"
    for key, value in wanted.items():
        if found[key] == value:
            continue
        if isinstance(value, tuple):
            pairs = zip(zip(*found[key], strict=True), zip(*value, strict=True), strict=False)
            first = next(((a, b) for a, b in pairs if a != b), "a different length")
            raise AssertionError(f"{what}: {key} differs, first at {first}")
        raise AssertionError(f"{what}: {key} differs: {found[key]} is not {value}")


def law_1_any_split(folder: Path, seed: int, cuts: Sequence[float], max_values: int) -> None:
    """Incremental = full = re-run, for random runs and random window sizes."""
    manifest = manifest_of(folder)
    rows = [dirty(part, seed) for part in telemetry(manifest, seed)]
    wanted = whole(folder, rows)
    assert any(key.startswith(folder.name) for key in wanted), "the plugin gave no output at all"
    with site_for(manifest) as site:
        for cut in [*sorted(cuts), 1.0]:
            limit = _instant(rows, cut)
            for part in rows:
                site.put(part.part((part.time < limit) & (part.time >= _delivered(site, part))))
            report = site.run([folder.name], limit + 1, max_values=max_values)
            _went_well(report, [folder.name])
        assert_same(site.contents([folder.name]), wanted, f"split at {cuts}")
        site.run([folder.name], FAR)
        assert_same(site.contents([folder.name]), wanted, "run again")
        site.run([folder.name], FAR, compute_type="full", max_values=max_values)
        assert_same(site.contents([folder.name]), wanted, "computed in full again")


def _instant(rows: Sequence[Rows], share: float) -> int:
    first, last = min(int(part.time.min()) for part in rows), max(int(part.time.max()) for part in rows)
    return last + 1 if share >= 1 else round(first + share * (last - first))


def _delivered(site: Site, part: Rows) -> int:
    buckets = site.platform.buckets("pack-1", part.names, {})
    return max((bucket.last + 1 for bucket in buckets), default=0)


def law_2_any_order_and_repeats(folder: Path, seed: int) -> None:
    """Shuffled and repeated delivery leaves the same as timely delivery."""
    manifest = manifest_of(folder)
    rows = [dirty(part, seed) for part in telemetry(manifest, seed)]
    wanted = whole(folder, rows)
    random = np.random.default_rng(seed)
    with site_for(manifest) as site:
        for part in rows:
            order = random.permutation(np.concatenate([np.arange(part.time.size), random.integers(0, part.time.size, 9)]))
            site.put(part.part(order))
        site.run([folder.name], FAR)
        assert_same(site.contents([folder.name]), wanted, "shuffled and repeated")


def law_3_late_data(folder: Path, seed: int, share: float) -> None:
    """Samples that arrive late, in several runs, leave the same as timely ones."""
    manifest = manifest_of(folder)
    rows = [dirty(part, seed) for part in telemetry(manifest, seed)]
    wanted = whole(folder, rows)
    random = np.random.default_rng(seed + 1)
    with site_for(manifest) as site:
        waves = [random.random(part.time.size) for part in rows]
        for low, high in ((share, 1.1), (share / 2, share), (0.0, share / 2)):
            for part, wave in zip(rows, waves, strict=True):
                site.put(part.part((wave >= low) & (wave < high)))
            site.run([folder.name], FAR, max_values=200)
        assert_same(site.contents([folder.name]), wanted, f"{share:.0%} of the samples came late")


def law_3_one_late_sample(folder: Path, seed: int, days: int = 4) -> None:
    """A single sample that arrives late, days after the run that should have seen it, with more data since."""
    manifest = manifest_of(folder)
    rows = telemetry(manifest, seed, gap_hours=24.0 * days)
    wanted = whole(folder, rows)
    random = np.random.default_rng(seed)
    part = rows[int(random.integers(len(rows)))]
    late = np.arange(part.time.size) == random.integers(part.time.size)
    half = _instant(rows, 0.5)
    with site_for(manifest) as site:
        for each in rows:
            site.put(each.part((each.time < half) & ~(late & (each is part))))
        site.run([folder.name], half)
        for each in rows:
            site.put(each.part((each.time >= half) & ~(late & (each is part))))
        site.run([folder.name], FAR)
        site.put(part.part(late))
        site.run([folder.name], FAR)
        assert_same(site.contents([folder.name]), wanted, f"sample {int(late.argmax())} came late")


def law_4_gaps(folder: Path, seed: int) -> None:
    """A longer gap adds nothing: every value after it is the one that a shorter gap gives."""
    manifest = manifest_of(folder)
    calendar = {output.series or site_name(name) for name, output in manifest.outputs.items() if output.calendar}
    short, long = (telemetry(manifest, seed, gap_hours=hours) for hours in (24.0, 24.0 * 8))
    a, b = whole(folder, short), whole(folder, long)
    series = [key for key in a if key.startswith(f"{folder.name}/") and not key.endswith("checkpoint")]
    for key in series:
        if key.split("/", 1)[1].rsplit("|", 1)[0] in calendar:
            continue
        last_a, last_b = a[key][1][-1], b.get(key, ([], [None]))[1][-1]
        assert last_a == last_b, f"{key}: {last_a} with a gap of a day, {last_b} with a gap of eight: the gap counted"


def law_4_dirt_never_arrives(folder: Path, seed: int) -> None:
    """Sentinels, NaN and repeats leave finite outputs and are counted in the report."""
    manifest = manifest_of(folder)
    with site_for(manifest) as site:
        site.put(*[dirty(part, seed) for part in telemetry(manifest, seed)])
        report = site.run([folder.name], FAR)
        _went_well(report, [folder.name])
        kinds = {kind for sensor in report.assets[0].sensors for kind in sensor["dirt"]}
        assert {"not finite", "sentinel", "out of range", "exact duplicates", "conflicting duplicates"} <= kinds, kinds
        contents = site.contents([folder.name])
        for key, value in contents.items():
            if isinstance(value, tuple):
                assert np.isfinite(value[1]).all(), key


def law_5_refuses(folder: Path, seed: int) -> None:
    """Each missing required input is refused with its name and a remedy, and nothing is written."""
    manifest = manifest_of(folder)
    rows = telemetry(manifest, seed)
    for name, given in manifest.inputs.items():
        if not given.required:
            continue
        parameters = parameters_of(manifest)
        kept = rows
        if given.is_sensor:
            stem = pattern_of(name, given).removesuffix("|*")
            kept = [_without(part, stem) for part in rows]
        else:
            parameters.pop(given.sensor or site_name(name))
        with site_for(manifest, parameters) as site:
            site.put(*[part for part in kept if part.names])
            report = site.run([folder.name], FAR)
            model = site.model(report, folder.name)
            assert model.status == "refused", f"without {name}: {model.status}"
            assert name in model.reason and "Set " in model.reason, model.reason
            assert not report.failed
            assert site.contents([folder.name]) == {"alarms": []}


def _without(part: Rows, stem: str) -> Rows:
    keep = [i for i, name in enumerate(part.names) if name != stem and not name.startswith(f"{stem}|")]
    names, units = tuple(part.names[i] for i in keep), tuple(part.units[i] for i in keep)
    return Rows(part.base, names, units, part.time, part.values[keep])


def law_6_empty_and_single(folder: Path, seed: int) -> None:
    """Windows without a sample, and with one, are no failure."""
    manifest = manifest_of(folder)
    rows = telemetry(manifest, seed, samples=6)
    wanted = whole(folder, rows)
    with site_for(manifest) as site:
        site.put(*rows)
        site.run([folder.name], FAR, max_values=1)
        assert_same(site.contents([folder.name]), wanted, "one sample a window")
