"""The self-test of a connector: it passes on doors that keep what they are given, and names what others do with it."""

from __future__ import annotations

from typing import Any

import pytest

from platform_interface.errors import PlatformError
from platform_interface.platforms.base import Asset
from platform_interface.platforms.local import LocalPlatform
from platform_interface.platforms.selftest import ASSET, self_test
from platform_interface.table import Table
from tests.command import brought_in, command, launch_file, values
from tests.serving import serving

pytestmark = pytest.mark.xdist_group("selftest")


def findings(platform: Any) -> dict[bool, list[str]]:
    found: dict[bool, list[str]] = {True: [], False: []}
    for finding in self_test(platform):
        found[finding.good].append(finding.text)
    return found


class IgnoresTheTime(LocalPlatform):
    """As platforms do that write the moment of arrival in place of the time sent."""

    def replace(self, asset: str, base: str, start: int, end: int | None, table: Table, units: Any) -> list[str]:
        return super().replace(asset, base, start, end, Table(table.time // 1000 * 1000, table.names, table.values), units)


class LosesSmallNumbers(LocalPlatform):
    def replace(self, asset: str, base: str, start: int, end: int | None, table: Table, units: Any) -> list[str]:
        return super().replace(asset, base, start, end, Table(table.time, table.names, table.values.round(6)), units)


class OnlyAdds(LocalPlatform):
    def replace(self, asset: str, base: str, start: int, end: int | None, table: Table, units: Any) -> list[str]:
        self._file(asset).save_sensors(base, units, output=True)
        self._base(asset, base).append(table)
        return []


class GivesEveryoneTheLease(LocalPlatform):
    def take_lease(self, asset: str, owner: str, seconds: float) -> str | None:
        return None if asset == ASSET and owner == "somebody else" else super().take_lease(asset, owner, seconds)


class MakesNoAsset(LocalPlatform):
    def save_asset(self, asset: Asset) -> None:
        raise PlatformError("403: you lack the right")


class Breaks(LocalPlatform):
    def last_value(self, asset: str, name: str, before: int) -> float | None:
        raise KeyError("a fault of a connector")


def test_the_embedded_platform_passes_and_nothing_is_left(tmp_path):
    found = findings(LocalPlatform(tmp_path))
    assert found[False] == [] and len(found[True]) == 9
    assert not (tmp_path / ASSET).exists()


@pytest.mark.parametrize(
    ("door", "failed"),
    [
        (IgnoresTheTime, "times [ms]"), (LosesSmallNumbers, "values: "), (OnlyAdds, "a stale one is gone"),
        (GivesEveryoneTheLease, "given twice"), (Breaks, "the connector broke with KeyError"),
    ],
    ids=lambda each: getattr(each, "__name__", None),
)  # fmt: skip
def test_a_platform_that_keeps_something_else_is_named_and_the_scratch_asset_is_gone(tmp_path, door, failed):
    found = findings(door(tmp_path))
    assert any(failed in text for text in found[False]), found
    assert not (tmp_path / ASSET).exists()


def test_a_platform_that_lets_us_make_no_asset_is_one_idle_line(tmp_path):
    [only] = self_test(MakesNoAsset(tmp_path))
    assert only.good and only.idle and "you lack the right" in only.text


def test_two_self_tests_at_one_time_do_not_disturb_one_another(tmp_path):
    first = self_test(LocalPlatform(tmp_path))
    next(first)
    second = list(self_test(LocalPlatform(tmp_path)))
    assert [finding.idle for finding in second] == [True]
    assert all(finding.good for finding in first)


def test_check_runs_it_through_the_served_platform_and_not_when_nothing_may_be_written(tmp_path):
    assert brought_in(tmp_path).returncode == 0
    with serving(tmp_path / "served", store=tmp_path / "store") as server:
        remote = {"connector": "thingsboard", "address": server.address, "reports": str(tmp_path / "reports")}
        configuration = {**values(tmp_path), "platform": remote}
        launch = launch_file(tmp_path, configuration, userApiKey=f"file:{server.key_file}")
        result = command("check", launch, cwd=tmp_path)
        assert result.returncode == 0, result.stdout + result.stderr
        assert result.stdout.count("self-test: ") == 9
        assert "1 asset" in result.stdout and server.key not in result.stdout + result.stderr
        configuration = {**configuration, "execution": {**configuration["execution"], "upload_output": False}}
        quiet = command("check", launch_file(tmp_path, configuration, userApiKey=f"file:{server.key_file}"), cwd=tmp_path)
        assert quiet.returncode == 0 and "self-test" not in quiet.stdout


def test_a_run_gives_its_pages_to_the_served_platform(tmp_path):
    assert brought_in(tmp_path).returncode == 0
    with serving(tmp_path / "served", store=tmp_path / "store") as server:
        remote = {"connector": "thingsboard", "address": server.address, "reports": str(tmp_path / "reports"),
                  "pages": str(tmp_path / "pages")}  # fmt: skip
        launch = launch_file(
            tmp_path, {**values(tmp_path, write_pages=True), "platform": remote}, userApiKey=f"file:{server.key_file}"
        )
        result = command("run", launch, cwd=tmp_path)
        assert result.returncode == 0, result.stdout + result.stderr
        import requests

        def get(path: str) -> requests.Response:
            return requests.get(server.address + path, headers=server.headers, timeout=30)

        [entity] = get("/api/tenant/assets?pageSize=10&page=0").json()["data"]
        listed = get(
            f"/api/plugins/telemetry/ASSET/{entity['id']['id']}/values/attributes/SERVER_SCOPE?keys=twin.page.eq_cycles"
        ).json()
        page = get(listed[0]["value"]["link"].removeprefix(server.address))
        assert page.status_code == 200 and b"<html" in page.content and b"Equivalent" in page.content
