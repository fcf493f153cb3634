"""Every method of the SensorThings connector, against a server that nobody here wrote."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
import requests

from platform_interface.errors import LeaseError, PlatformError, UsageError
from platform_interface.launch import Launch
from platform_interface.log import redact
from platform_interface.platforms.base import Asset
from platform_interface.platforms.holder import this_host
from platform_interface.table import Table
from tests import foreign_server
from tests.sensorthings_kit import Way, opened, table

pytestmark = pytest.mark.xdist_group("sensorthings")
T0 = 1_767_225_600_000  # 2026-01-01T00:00:00Z
FOR_EVER = 2**62


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with foreign_server.started(tmp_path_factory.mktemp("foreign")) as address:
        yield address


@pytest.fixture
def platform(address):
    return opened(address)


@pytest.fixture
def asset(platform, request):
    """A fresh asset with an awkward name."""
    name = f"O'Neil & <b>/../{request.node.name}"
    platform.save_asset(Asset(name, "a label", ("demo",), {"Capacity": 100.0, "Chemistry": "LFP", "limits": {"high": [3.6]}}))
    return name


def post(address, collection, **body):
    answer = requests.post(f"{address}/{collection}", json=body, timeout=30)
    assert answer.status_code == 201, answer.text
    return {"@iot.id": answer.headers["Location"].split("'")[1]}


def foreign_stream(address, thing, name, symbol="A", unit="ampere"):
    """Make a Datastream as another program would, without a word of the twin."""
    sensor = post(address, "Sensors", name="logger", description="-", encodingType="text/html", metadata="-")
    observed = post(address, "ObservedProperties", name=name, description="-", definition="-")
    return post(
        address, "Datastreams", name=name, description="-", Thing=thing, Sensor=sensor, ObservedProperty=observed,
        observationType="http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement",
        unitOfMeasurement={"name": unit, "symbol": symbol, "definition": "-"},
    )  # fmt: skip


def foreign_thing(address, name, **properties):
    place = {
        "name": "site",
        "description": "-",
        "encodingType": "application/geo+json",
        "location": {"type": "Point", "coordinates": [9, 52]},
    }
    return post(address, "Things", name=name, description="made elsewhere", properties=properties, Locations=[place])


def test_an_asset_comes_back_as_it_was_saved(platform, asset):
    assert platform.assets([asset], "") == [
        Asset(asset, "a label", ("demo",), {"Capacity": 100.0, "Chemistry": "LFP", "limits": {"high": [3.6]}})
    ]
    assert asset in [one.id for one in platform.assets([], "demo")]
    assert asset not in [one.id for one in platform.assets([], "other")]
    platform.save_asset(Asset(asset, "changed", ("other",), {"Capacity": 90.0}))
    assert platform.assets([asset], "") == [Asset(asset, "changed", ("other",), {"Capacity": 90.0})]


def test_an_asset_can_be_named_by_its_id_and_a_misspelled_one_is_refused_with_the_nearest(platform, address):
    thing = foreign_thing(address, "Container 7")
    assert [one.id for one in platform.assets([thing["@iot.id"]], "")] == ["Container 7"]
    with pytest.raises(PlatformError, match="did you mean 'Container 7'"):
        platform.assets(["Contaner 7"], "")


def test_things_that_share_a_name_are_refused(platform, address):
    foreign_thing(address, "twice")
    foreign_thing(address, "twice")
    with pytest.raises(PlatformError, match="several Things"):
        platform.assets(["twice"], "")


def test_one_of_two_things_of_a_name_can_be_used_by_its_id_and_takes_what_is_brought_in(platform, address):
    first, second = foreign_thing(address, "alike", Capacity=1.0), foreign_thing(address, "alike", Capacity=2.0)
    ident = second["@iot.id"]
    (known,) = platform.assets([ident], "")
    assert (known.id, known.parameters) == (ident, {"Capacity": 2.0})
    platform.save_asset(known)
    platform.append(ident, "pack", table([T0], Current=[1.0]), {"Current": "ampere"})
    fresh = opened(address)
    assert list(fresh.sensors(ident)) == ["Current"]
    assert list(fresh.sensors(first["@iot.id"])) == []
    assert ident not in [one.name for one in fresh.assets([], "")]


def test_a_thing_that_was_renamed_keeps_its_series_and_its_state(platform, address, asset):
    platform.append(asset, "pack", table([T0], Current=[1.0]), {"Current": "ampere"})
    platform.take_lease(asset, "me", 60)
    platform.save_state(asset, {"a": "b"}, "me")
    thing = platform.entities.thing(asset)
    path = f"{address}/Things('{thing.id}')"
    assert requests.patch(path, json={"name": "another name"}, timeout=30).ok
    fresh = opened(address)
    with pytest.raises(PlatformError, match="is not on"):
        fresh.assets([asset], "")
    assert fresh.load_state("another name", "") == {"a": "b"}
    assert fresh.read("another name", ["Current"], T0, FOR_EVER)[0].values.tolist() == [[1.0]]
    fresh.forget("another name")
    assert requests.get(path, timeout=30).status_code == 404


def test_raw_samples_come_back_bit_by_bit_and_side_by_side(platform, asset):
    time = T0 + np.arange(250) * 1000 + 7
    values = np.random.default_rng(1).normal(0, 1e-3, (2, 250))
    units = {"Cell Voltage|0": "volt", "Cell Voltage|1": "volt"}
    platform.append(asset, "cells", Table(time, tuple(units), values), units)
    (found,) = platform.read(asset, list(units), T0, T0 + 250_000)
    assert found.time.tolist() == time.tolist()
    assert found.absent is None
    assert np.array_equal(found.values, values)
    (part,) = platform.read(asset, ["Cell Voltage|1"], int(time[10]), int(time[20]))
    assert part.time.tolist() == time[10:20].tolist()
    assert {name: sensor.unit for name, sensor in platform.sensors(asset).items()} == units


def test_samples_brought_in_twice_are_there_once_and_contradictory_ones_stay_two_rows(platform, asset):
    first = table([T0, T0 + 1000, T0 + 2000], Current=[1.0, 2.0, 3.0])
    platform.append(asset, "pack", first, {"Current": "ampere"})
    platform.append(asset, "pack", first, {"Current": "ampere"})
    platform.append(asset, "pack", table([T0 + 1000], Current=[2.5]), {"Current": "ampere"})
    (found,) = platform.read(asset, ["Current"], T0, FOR_EVER)
    assert list(zip((found.time - T0).tolist(), found.values[0].tolist(), strict=True)) == [
        (0, 1.0), (1000, 2.0), (1000, 2.5), (2000, 3.0)]  # fmt: skip


def test_what_is_not_a_number_or_was_never_delivered_is_absent(platform, asset):
    time = T0 + np.arange(3) * 1000
    absent = np.array([[False, False, True], [False, False, False]])
    values = np.array([[1.0, np.nan, np.nan], [4.0, 5.0, 6.0]])
    platform.append(
        asset, "pack", Table(time, ("Current", "Voltage"), values, absent), {"Current": "ampere", "Voltage": "volt"}
    )
    (found,) = platform.read(asset, ["Current", "Voltage"], T0, FOR_EVER)
    assert found.absent.tolist() == [[False, True, True], [False, False, False]]
    assert found.values[1].tolist() == [4.0, 5.0, 6.0]


def test_a_series_in_another_unit_or_as_an_output_is_refused(platform, asset):
    platform.append(asset, "pack", table([T0], Current=[1.0]), {"Current": "ampere"})
    with pytest.raises(PlatformError, match="is in ampere, and this is in milliampere"):
        platform.append(asset, "pack", table([T0], Current=[1.0]), {"Current": "milliampere"})
    with pytest.raises(PlatformError, match="is a sensor already"):
        platform.replace(asset, "model.x", T0, None, table([T0], Current=[1.0]), {"Current": "ampere"})


def test_replace_leaves_nothing_of_what_was_there_before(platform, asset, address):
    units = {"SOC": "dimensionless", "SOC Lower": "dimensionless"}
    time = T0 + np.arange(100) * 1000
    platform.replace(asset, "model.soc", T0, None, Table(time, tuple(units), np.linspace([0, 1], [1, 2], 100).T.copy()), units)
    middle = table(time[40:50] + 1, SOC=np.full(10, 0.5))
    assert platform.replace(asset, "model.soc", int(time[40]), int(time[60]), middle, {"SOC": "dimensionless"}) == []
    (found,) = platform.read(asset, ["SOC", "SOC Lower"], T0, FOR_EVER)
    assert found.time.tolist() == [*time[:40].tolist(), *(time[40:50] + 1).tolist(), *time[60:].tolist()]
    assert found.values[0][40:50].tolist() == [0.5] * 10
    assert found.absent[1][40:50].all()
    platform.replace(asset, "model.soc", int(time[10]), None, table([]), {})
    (found,) = platform.read(asset, ["SOC"], T0, FOR_EVER)
    assert found.time.tolist() == time[:10].tolist()
    assert {name: s.output for name, s in platform.sensors(asset).items()} == {"SOC": True, "SOC Lower": True}


def test_replacing_with_what_is_there_already_writes_nothing(address, asset):
    way = Way(address)
    try:
        platform = opened(way.address)
        rows = table(T0 + np.arange(20) * 1000, SOC=np.linspace(0, 1, 20))
        platform.replace(asset, "model.soc", T0, None, rows, {"SOC": "dimensionless"})
        before = len(way.seen)
        platform.replace(asset, "model.soc", T0, None, rows, {"SOC": "dimensionless"})
        assert {method for method, _ in way.seen[before:]} == {"GET"}
    finally:
        way.close()


def test_of_two_results_at_one_time_the_one_made_last_is_the_output(platform, address, asset):
    """As a run leaves them that ended after its new rows were in and before the stale ones were gone."""
    platform.replace(asset, "model.soc", T0, None, table([T0], SOC=[0.5]), {"SOC": "dimensionless"})
    series = platform.entities.series(asset)["SOC"]
    made = [["2026-01-01T00:00:00Z", 0.1, "2020-01-01T00:00:00Z"], ["2026-01-01T00:00:00Z", 0.9, "2099-01-01T00:00:00Z"]]
    group = {
        "Datastream": {"@iot.id": series.streams[0]}, "components": ["phenomenonTime", "result", "resultTime", "FeatureOfInterest/id"],
        "dataArray": [[*row, platform.entities.feature(asset)] for row in made],
    }  # fmt: skip
    assert requests.post(f"{address}/CreateObservations", json=[group], timeout=30).status_code == 201
    assert platform.read(asset, ["SOC"], T0, FOR_EVER)[0].values.tolist() == [[0.9]]
    platform.replace(asset, "model.soc", T0, None, table([T0], SOC=[0.5]), {"SOC": "dimensionless"})
    assert (
        requests.get(f"{address}/Datastreams('{series.streams[0]}')/Observations?$count=true", timeout=30).json()["@iot.count"]
        == 1
    )


def test_rows_outside_the_replaced_range_are_refused(platform, asset):
    with pytest.raises(PlatformError, match="outside the replaced range"):
        platform.replace(asset, "model.soc", T0, T0 + 1, table([T0 + 1], SOC=[0.1]), {"SOC": "dimensionless"})


def test_buckets_tell_first_last_and_count_a_day_and_leave_old_known_days_out(platform, asset):
    day = 86_400_000
    time = np.concatenate([T0 + 5 + np.arange(50) * 60_000, T0 + 9 * day + np.arange(30) * 60_000])
    platform.append(
        asset, "pack", table(time, Current=np.arange(80.0), Voltage=np.arange(80.0)), {"Current": "ampere", "Voltage": "volt"}
    )
    found = platform.buckets(asset, ["Current", "Voltage"], {})
    assert [(b.start, b.values, b.first, b.last) for b in found] == [
        (T0, 100, T0 + 5, T0 + day - 1), (T0 + 9 * day, 60, T0 + 9 * day, int(time[-1]))]  # fmt: skip
    assert [b.start for b in platform.buckets(asset, ["Current"], {T0: "", T0 + 9 * day: ""})] == [T0 + 9 * day]
    assert platform.buckets(asset, ["Current", "no such"], {T0: ""})[0].start == T0
    assert platform.buckets(asset, [], {}) == []


def test_a_day_on_which_the_first_cell_was_dead_is_listed_too(platform, asset):
    day, time = 86_400_000, T0 + np.arange(3) * 86_400_000
    values = np.array([[3.3, np.nan, 3.3], [3.3, 3.2, 3.3], [3.3, 3.2, 3.3]])
    units = {f"Cell Voltage|{number}": "volt" for number in range(3)}
    platform.append(asset, "cells", Table(time, tuple(units), values), units)
    assert [(b.start, b.values > 0) for b in platform.buckets(asset, list(units), {})] == [
        (T0 + n * day, True) for n in range(3)
    ]


def test_the_last_value_before_an_instant_is_found(platform, asset):
    platform.append(asset, "pack", table(T0 + np.arange(300) * 1000, Current=np.arange(300.0)), {"Current": "ampere"})
    assert platform.last_value(asset, "Current", FOR_EVER) == 299.0
    assert platform.last_value(asset, "Current", T0 + 100_000) == 99.0
    assert platform.last_value(asset, "Current", T0) is None
    assert platform.last_value(asset, "no such", T0) is None


def test_nothing_is_written_into_a_series_of_others_whose_unit_nobody_knows(platform, address):
    foreign_stream(address, foreign_thing(address, "Rack 15"), "I", "?", "?")
    with pytest.raises(PlatformError, match="a unit that the server does not say"):
        platform.append("Rack 15", "pack", table([T0], I=[1.0]), {"I": "ampere"})


def test_state_is_saved_whole_by_the_holder_of_the_lease_only(platform, asset):
    assert platform.load_state(asset, "") == {}
    assert platform.take_lease(asset, "me", 60) is None
    platform.save_state(asset, {"checkpoint/a/1": "{}" * 1000, "checkpoint/b/1": "ü", "other": "x"}, "me")
    platform.save_state(asset, {"checkpoint/a/1": None, "checkpoint/a/2": "y"}, "me")
    assert platform.load_state(asset, "checkpoint/") == {"checkpoint/a/2": "y", "checkpoint/b/1": "ü"}
    with pytest.raises(LeaseError, match="took this asset over"):
        platform.save_state(asset, {"other": "z"}, "you")
    assert platform.load_state(asset, "other") == {"other": "x"}


def test_a_lease_is_held_renewed_given_back_and_expires(platform, address, asset):
    other = opened(address)
    lease = {"owner": "dead", "host": this_host(), "pid": 2**22 + 1, "expires": 4e9}  # no system has such a process
    platform.documents.write(asset, "lease", {**lease, "host": "another of that name"})
    assert other.take_lease(asset, "me", 60) is not None
    platform.documents.write(asset, "lease", lease)
    assert platform.take_lease(asset, "me", 60) is None
    assert platform.take_lease(asset, "me", 60) is None
    assert "process" in other.take_lease(asset, "you", 60)
    other.drop_lease(asset, "you")
    assert other.take_lease(asset, "you", 60) is not None
    platform.drop_lease(asset, "me")
    assert other.take_lease(asset, "you", 0.01) is None
    assert platform.take_lease(asset, "me", 60) is None


def test_alarms_are_added_changed_and_never_lost(platform, asset):
    platform.save_alarms(asset, [{"key": "a", "status": "active"}, {"key": "b", "status": "active"}])
    platform.save_alarms(asset, [{"key": "a", "status": "cleared"}, {"key": "c", "status": "active"}])
    assert [(alarm["key"], alarm["status"]) for alarm in platform.alarms(asset)] == [
        ("a", "cleared"),
        ("b", "active"),
        ("c", "active"),
    ]


def test_a_page_is_linked_where_its_folder_is_published(address, asset, tmp_path):
    page = tmp_path / "an asset" / "x.html"
    assert opened(address, pages=str(tmp_path)).put_page(asset, "x", page) == ""
    platform = opened(address, pages=str(tmp_path), pages_address="https://site.example/pages/")
    assert platform.put_page(asset, "x", page) == "https://site.example/pages/an%20asset/x.html"
    assert platform.documents.read(asset, "pages")["pages"] == {"x": "https://site.example/pages/an%20asset/x.html"}


def test_forget_takes_everything_of_an_asset_of_ours(platform, address, asset):
    platform.append(asset, "pack", table([T0], Current=[1.0]), {"Current": "ampere"})
    platform.take_lease(asset, "me", 60)
    platform.forget(asset)
    assert asset not in [one.id for one in platform.assets([], "")]
    assert f"Battery {asset}" not in requests.get(f"{address}/FeaturesOfInterest", timeout=30).text


def test_forget_leaves_what_others_made(platform, address):
    thing = foreign_thing(address, "not ours", Capacity=50.0)
    stream = foreign_stream(address, thing, "Pack Current")
    rows = [["2026-01-01T00:00:00Z", 1.5]]
    groups = [{"Datastream": stream, "components": ["phenomenonTime", "result"], "dataArray": rows}]
    requests.post(f"{address}/CreateObservations", json=groups, timeout=30)
    platform.replace("not ours", "model.soc", T0, None, table([T0], SOC=[0.1]), {"SOC": "dimensionless"})
    platform.take_lease("not ours", "me", 60)
    platform.forget("not ours")
    assert platform.assets(["not ours"], "")[0].parameters == {"Capacity": 50.0}
    assert list(platform.sensors("not ours")) == ["Pack Current"]
    assert platform.read("not ours", ["Pack Current"], T0, FOR_EVER)[0].values.tolist() == [[1.5]]


def test_forget_leaves_a_feature_of_others_that_has_our_name(platform, address, asset):
    body = {"name": f"Battery {asset}", "description": "-", "encodingType": "application/geo+json"}
    feature = post(address, "FeaturesOfInterest", **body, feature={"type": "Point", "coordinates": [9, 52]})
    platform.append(asset, "pack", table([T0], Current=[1.0]), {"Current": "ampere"})
    platform.forget(asset)
    assert requests.get(f"{address}/FeaturesOfInterest('{feature['@iot.id']}')", timeout=30).status_code == 200


def test_an_asset_that_others_made_is_read_with_its_parameters_and_units(platform, address):
    thing = foreign_thing(address, "Rack 12", Capacity=280.0, tags=["site A"])
    for name, symbol, unit in [("Pack Current", "A", "Ampere"), ("Temp", "°C", "degree Celsius"), ("Odd", "mV", "Volt")]:
        foreign_stream(address, thing, name, symbol, unit)
    assert platform.assets(["Rack 12"], "") == [
        Asset("Rack 12", "made elsewhere", ("site A",), {"Capacity": 280.0, "tags": ["site A"]})
    ]
    assert {name: s.unit for name, s in platform.sensors("Rack 12").items()} == {
        "Pack Current": "ampere",
        "Temp": "degC",
        "Odd": "",
    }


def test_datastreams_that_share_a_name_are_told_apart_by_their_id(platform, address):
    thing = foreign_thing(address, "Rack 13")
    ids = sorted(foreign_stream(address, thing, "Temp")["@iot.id"] for _ in range(2))
    assert sorted(platform.sensors("Rack 13")) == [f"Temp [{ident}]" for ident in ids]


def test_the_values_that_we_write_are_read_by_an_independent_client(platform, address, asset):
    """`frost_sta_client` of Fraunhofer; the server's plain answers have no milliseconds, so the times are whole seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import frost_sta_client as frost

        values = np.random.default_rng(2).normal(0, 1e-3, 120).tolist()
        time = T0 + np.arange(120) * 1000
        platform.replace(asset, "model.soc", T0, None, table(time, SOC=values), {"SOC": "dimensionless"})
        service = frost.SensorThingsService(address)
        streams = service.things().query().filter(f"name eq '{asset.replace(chr(39), chr(39) * 2)}'").list().entities[0]
        (stream,) = [one for one in streams.get_datastreams().query().list() if one.name == "SOC"]
        found = {one.id: (one.phenomenon_time, one.result) for one in stream.get_observations().query().list()}
    read = sorted((str(moment), result) for moment, result in found.values())
    assert [result for _, result in read] == values
    assert read[0][0].startswith("2026-01-01T00:00:00")
    assert read[-1][0].startswith("2026-01-01T00:01:59")


def test_what_an_independent_client_writes_is_read(platform, address):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import frost_sta_client as frost

        service = frost.SensorThingsService(address)
        thing = frost.Thing(name="By FROST", description="-", properties={"Capacity": 42.0})
        service.create(thing)
    assert platform.assets(["By FROST"], "")[0].parameters == {"Capacity": 42.0}
    assert platform.sensors("By FROST") == {}


@pytest.mark.parametrize(("auth", "good"), [
    ("basic", Launch(userName=foreign_server.USER, userPassword=foreign_server.PASSWORD)),
    ("bearer", Launch(userApiKey=foreign_server.KEY)),
])  # fmt: skip
def test_a_server_that_wants_a_signature_lets_in_who_has_it_and_nobody_learns_it(tmp_path, auth, good):
    with foreign_server.started(tmp_path, auth) as address:
        assert opened(address, good).assets([], "") == []
        with pytest.raises(PlatformError, match="401"):
            opened(address, Launch(userApiKey="a-wrong-key"))
        try:
            opened(address, good).read("nobody", ["x"], 0, 1)
        except PlatformError as error:
            assert foreign_server.KEY not in str(error)
            assert foreign_server.PASSWORD not in str(error)
    if auth == "basic":
        signature = opened_signature(good)
        assert redact(f"sent {signature}") == "sent [secret]"


def opened_signature(launch):
    from platform_interface.platforms.sensorthings.signing import signature_of

    return signature_of(launch)["Authorization"].split()[1]


@pytest.mark.parametrize("launch", [
    Launch(userApiKey="abcdef", userName="x", userPassword="y"), Launch(userName="x"), Launch(userApiKey="ab\ncd"),
    Launch(userApiKey="schlüssel"),
])  # fmt: skip
def test_half_or_double_or_broken_credentials_are_refused_before_anything_is_sent(launch):
    with pytest.raises(UsageError):
        opened("http://127.0.0.1:9", launch)


def test_an_address_that_is_no_sensorthings_service_is_refused(address):
    with pytest.raises(PlatformError, match=r"404|not the root"):
        opened(address.removesuffix("/v1.1"))


def test_a_document_that_was_damaged_is_refused_with_what_to_do(platform, address, asset):
    platform.take_lease(asset, "me", 60)
    platform.save_state(asset, {"a": "b"}, "me")
    platform.documents.write(asset, "state", {"content": "bm90IHppcHBlZA=="})
    with pytest.raises(PlatformError, match="Twin State"):
        platform.load_state(asset, "")


def test_the_state_of_a_night_is_small(platform, asset):
    """Sixty checkpoints of 20 kB that differ little, as a run leaves them: packed, one request carries them."""
    state = {f"checkpoint/m/{n:015d}": json.dumps({"end": n, "state": list(np.linspace(0, n, 1000))}) for n in range(60)}
    platform.take_lease(asset, "me", 60)
    platform.save_state(asset, state, "me")
    assert platform.load_state(asset, "") == state
    assert len(platform.documents.read(asset, "state")["content"]) < sum(map(len, state.values())) / 1.5
