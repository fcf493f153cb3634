"""Both of ThingsBoard's own Python clients work against the embedded platform, from the login to an upload."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
import uuid
import warnings

import pytest

from platform_interface.platforms.local_served import ServedStore
from platform_interface.server.application import application
from platform_interface.server.keys import Doorkeeper
from platform_interface.server.web import Served
from tests.serving import serving

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from tb_ce_client import ThingsboardClient
    from tb_ce_client.exceptions import ApiException as CeError
    from tb_ce_client.exceptions import NotFoundException
    from tb_ce_client.models.alarm import Alarm
    from tb_ce_client.models.asset import Asset
    from tb_ce_client.models.entity_id import EntityId
    from tb_rest_client import models as rest_models
    from tb_rest_client.rest_client import RestClient

pytestmark = [pytest.mark.xdist_group("server"), pytest.mark.filterwarnings("ignore")]
T0 = 1_767_225_600_000
KEY = "a-key-for-these-tests-only"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("clients")) as running:
        yield running


@pytest.fixture(params=["password", "key"])
def ce(server, request):
    """The client of 2026, let in both ways."""
    how = {"username": "tenant@example.org", "password": server.key} if request.param == "password" else {"api_key": server.key}
    with ThingsboardClient(server.address, **how) as client:
        yield client


@pytest.fixture(params=["password", "key"])
def rest(server, request):
    """The older client, let in both ways."""
    client = RestClient(base_url=server.address)
    client.login("tenant@example.org", server.key) if request.param == "password" else client.api_key_login(server.key)
    yield client
    client.stop()


def name():
    return f"pack-{uuid.uuid4().hex[:8]}"


def test_the_new_client_knows_who_it_is_and_gets_new_tokens(server):
    with ThingsboardClient(server.address, username="me@example.org", password=server.key) as client:
        user = client.get_user()
        assert (user.email, user.authority.value) == ("me@example.org", "TENANT_ADMIN")
        before = client.get_token()
        client._auth_manager._do_refresh_token(client._auth_manager._token_info)
        assert client.get_token() != before
        assert client.get_user().email == "me@example.org"


def test_the_new_client_is_told_of_a_wrong_password(server):
    with pytest.raises(CeError) as error:
        ThingsboardClient(server.address, username="me@example.org", password="not-the-key")
    assert error.value.status == 401


def test_the_new_client_pages_through_assets(ce):
    word = uuid.uuid4().hex[:6]
    made = [ce.save_asset(Asset(name=f"{word}-{n}", type="Battery", label=f"Pack {n}")).name for n in range(5)]
    found, page = [], 0
    while True:
        answer = ce.get_tenant_assets(page_size=2, page=page, text_search=word, sort_property="createdTime", sort_order="ASC")
        found += [asset.name for asset in answer.data]
        page += 1
        if not answer.has_next:
            break
    assert (found, page, answer.total_elements) == (made, 3, 5)
    asset = ce.get_tenant_asset_by_name(asset_name=made[0])
    assert ce.get_asset_by_id(str(asset.id.id)).label == "Pack 0"
    infos = ce.get_tenant_asset_infos(page_size=10, page=0, text_search=word)
    assert {info.asset_profile_name for info in infos.data} == {"Battery"}
    assert "Battery" in [profile.name for profile in ce.get_asset_profiles(page_size=100, page=0).data]
    ce.delete_asset(str(asset.id.id))
    with pytest.raises(NotFoundException):
        ce.get_asset_by_id(str(asset.id.id))


def test_the_new_client_writes_and_reads_attributes(ce):
    asset = str(ce.save_asset(Asset(name=name())).id.id)
    ce.save_entity_attributes_v2(
        "ASSET", asset, "SERVER_SCOPE", json.dumps({"capacity": 100.5, "chemistry": "LFP", "on": True})
    )
    rows = ce.get_attributes("ASSET", asset)
    assert {row.key: row.value for row in rows} == {"capacity": 100.5, "chemistry": "LFP", "on": True}
    assert sorted(ce.get_attribute_keys("ASSET", asset)) == ["capacity", "chemistry", "on"]
    ce.delete_entity_attributes("ASSET", asset, "SERVER_SCOPE", "on")
    assert sorted(ce.get_attribute_keys("ASSET", asset)) == ["capacity", "chemistry"]


def test_the_new_client_writes_telemetry_and_reads_latest_and_history(ce):
    asset = str(ce.save_asset(Asset(name=name())).id.id)
    body = [{"ts": T0 + 1000 * n, "values": {"temperature": value}} for n, value in enumerate([25.5, 26.0, 27.1])]
    ce.save_entity_telemetry("ASSET", asset, "ANY", json.dumps(body))
    assert ce.get_timeseries_keys("ASSET", asset) == ["temperature"]
    assert ce.get_latest_timeseries("ASSET", asset, keys="temperature")["temperature"][0].value == "27.1"
    rows = ce.get_timeseries_history(
        "ASSET", asset, start_ts=T0, end_ts=T0 + 3000, keys="temperature", order_by="ASC", limit="10"
    )
    assert [(row.ts, row.value) for row in rows["temperature"]] == [(T0, "25.5"), (T0 + 1000, "26.0"), (T0 + 2000, "27.1")]
    strict = ce.get_timeseries_history(
        "ASSET", asset, start_ts=T0, end_ts=T0 + 3000, keys="temperature", agg="AVG", interval=3000, use_strict_data_types=True
    )
    assert strict["temperature"][0].value == pytest.approx(26.2)
    ce.delete_entity_timeseries("ASSET", asset, keys="temperature", start_ts=T0, end_ts=T0 + 1500)
    left = ce.get_timeseries_history("ASSET", asset, start_ts=T0, end_ts=T0 + 3000, keys="temperature")
    assert [row.value for row in left["temperature"]] == ["27.1"]


def test_the_new_client_raises_acknowledges_clears_and_lists_alarms(ce):
    asset = str(ce.save_asset(Asset(name=name())).id.id)
    origin = EntityId.from_dict({"entityType": "ASSET", "id": asset})
    body = {"type": "Hot", "originator": origin, "severity": "CRITICAL", "acknowledged": False, "cleared": False,
            "name": "Hot", "status": "ACTIVE_UNACK", "details": {"message": "45 degC"}, "startTs": T0}  # fmt: skip
    alarm = ce.save_alarm(Alarm.from_dict({**body, "originator": origin.to_dict()}))
    alarm_id = str(alarm.id.id)
    assert alarm.status.value == "ACTIVE_UNACK"
    assert ce.ack_alarm(alarm_id).acknowledged
    assert ce.clear_alarm(alarm_id).status.value == "CLEARED_ACK"
    listed = ce.get_alarms_by_entity("ASSET", asset, page_size=10, page=0)
    assert [(row.type, row.start_ts, row.details) for row in listed.data] == [("Hot", T0, {"message": "45 degC"})]
    second = ce.get_alarms_v2("ASSET", asset, page_size=10, page=0, status_list=["ACTIVE"])
    assert second.data == []
    assert ce.get_alarm_by_id(alarm_id).severity.value == "CRITICAL"
    assert "Hot" in [row.type for row in ce.get_alarm_types(page_size=100, page=0).data]


def test_the_new_client_uploads_replaces_and_fetches_a_page(ce):
    page = b"<!doctype html><title>Pack</title>"
    info = ce.upload_resource("GENERAL", ("pack.html", page), title="Pack", descriptor=json.dumps({"mediaType": "text/html"}))
    resource = str(info.id.id)
    assert (info.title, info.file_name, info.descriptor) == ("Pack", "pack.html", {"mediaType": "text/html"})
    assert bytes(ce.download_resource(resource)) == page
    assert resource in [str(row.id.id) for row in ce.get_resources(page_size=100, page=0).data]
    ce.delete_resource(resource)
    with pytest.raises(NotFoundException):
        ce.get_resource_info_by_id(resource)


def test_the_older_client_runs_the_same_scenario(rest):
    asset = rest.save_asset(rest_models.Asset(name=name(), type="Battery"))
    assert rest.get_user().authority in ("TENANT_ADMIN", rest_models.Authority.TENANT_ADMIN)
    page = rest.get_tenant_assets(page_size=1, page=0)
    assert page.has_next in (True, False)
    assert rest.get_asset_by_id(asset.id).name == asset.name
    rest.save_entity_attributes_v2(asset.id, "SERVER_SCOPE", {"capacity": 100.5})
    assert [(row["key"], row["value"]) if isinstance(row, dict) else (row.key, row.value)
            for row in rest.get_attributes_by_scope(asset.id, "SERVER_SCOPE")] == [("capacity", 100.5)]  # fmt: skip
    rest.save_entity_telemetry(asset.id, "ANY", {"ts": T0, "values": {"soc": 0.5}})
    rows = rest.get_timeseries(asset.id, T0, T0 + 1, keys="soc", use_strict_data_types=True)
    row = rows["soc"][0]
    assert (row["ts"], row["value"]) == (T0, 0.5) if isinstance(row, dict) else (row.ts, row.value) == (T0, 0.5)
    alarm = rest.save_alarm(rest_models.Alarm(type="Low", originator=asset.id, severity="WARNING", acknowledged=False,
                                              cleared=False, name="Low", status="ACTIVE_UNACK"))  # fmt: skip
    rest.ack_alarm(alarm.id)
    rest.clear_alarm(alarm.id)
    found = rest.get_alarms(asset.id, page_size=10, page=0).data
    assert [row.status for row in found] == ["CLEARED_ACK"]
    rest.delete_asset(asset.id)


class Busy:
    """An application that says "too many requests" so many times before it serves."""

    def __init__(self, app, times):
        self.app, self.left, self.said = app, times, 0

    async def __call__(self, scope, receive, send):
        if self.left and scope["method"] == "GET":
            self.left -= 1
            self.said += 1
            body = json.dumps({"status": 429, "message": "Too many requests for current tenant!", "errorCode": 33}).encode()
            await send({"type": "http.response.start", "status": 429, "headers": [(b"content-type", b"application/json")]})
            await send({"type": "http.response.body", "body": body})
        else:
            await self.app(scope, receive, send)


@contextlib.contextmanager
def in_this_process(app):
    """Serve an application of a test on a free port."""
    import uvicorn

    bound = socket.create_server(("127.0.0.1", 0))
    running = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, http="httptools", ws="none"))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        running.should_exit = True
        thread.join(timeout=30)


def test_the_new_client_waits_and_asks_again_when_there_are_too_many_requests(tmp_path):
    app = Busy(application(Served(ServedStore(tmp_path / "store"), Doorkeeper(KEY), tmp_path / "pages")), 2)
    with in_this_process(app) as address, ThingsboardClient(address, api_key=KEY, initial_retry_delay_ms=20) as client:
        assert client.get_tenant_assets(page_size=10, page=0).data == []
    assert app.said == 2


def test_the_new_client_renews_a_token_before_it_ends(tmp_path):
    app = application(Served(ServedStore(tmp_path / "store"), Doorkeeper(KEY, access=31.0), tmp_path / "pages"))
    with in_this_process(app) as address, ThingsboardClient(address, username="me@example.org", password=KEY) as client:
        first = client.get_token()
        time.sleep(2.1)  # the client renews 30 s before the end
        client.get_user()
        assert client.get_token() != first
