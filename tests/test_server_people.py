"""The pages for people: a login, everything escaped, no script needed, readable on a phone, in light and dark."""

from __future__ import annotations

import re
import shutil

import pytest
import requests

from documentation.browser import DESK, PHONE, chromium, missing
from tests.kit import ASSET
from tests.pages_kit import EVIL, pages, site
from tests.serving import serving

pytestmark = pytest.mark.xdist_group("server-people")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    made = site(folder)
    pages(made, folder / "pages")
    with serving(folder) as running:
        yield running


@pytest.fixture
def person(server):
    session = requests.Session()
    answer = session.post(server.address + "/login", data={"key": server.key, "next": "/"}, timeout=60)
    assert answer.status_code == 200
    return session


def asset_link(server, person):
    return re.search(r'href="(/asset/[^"]+)"', person.get(server.address + "/", timeout=60).text).group(1)


def test_the_index_shows_assets_tags_latest_values_alarms_and_pages(server, person):
    text = person.get(server.address + "/", timeout=60).text
    for word in (ASSET, "Standing alarms", "1 asset.", "Current", " A</span>", "last sample", "/pages/pack-1--eq_cycles.html"):
        assert word in text


def test_every_name_is_escaped_on_every_page(server, person):
    for path in ("/", asset_link(server, person), "/login?next=" + EVIL, "/?search=" + EVIL):
        answer = person.get(server.address + path, timeout=60)
        assert "<script" not in answer.text
        assert "<img" not in answer.text
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["x-frame-options"] == "DENY"


def test_an_asset_has_a_page_with_its_series_alarms_and_parameters(server, person):
    text = person.get(server.address + asset_link(server, person), timeout=60).text
    for word in ("Sensors", "Outputs of models", "Alarms", "Parameters", "Capacity", "(3 series)"):
        assert word in text


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites_and_is_no_key_of_the_api(server):
    answer = requests.post(server.address + "/login", data={"key": server.key}, timeout=60, allow_redirects=False)
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert server.key not in cookie
    token = re.match(r"[^=]+=([^;]+)", cookie).group(1)
    for headers in ({"Cookie": cookie.split(";")[0]}, {"X-Authorization": f"Bearer {token}"}):
        assert requests.get(server.address + "/api/auth/user", headers=headers, timeout=60).status_code == 401


def test_a_form_of_another_site_logs_nobody_in_or_out(server, person):
    foreign = {"Origin": "https://evil.example.org"}
    answer = requests.post(
        server.address + "/login", data={"key": server.key}, headers=foreign, timeout=60, allow_redirects=False
    )
    assert answer.status_code == 403
    person.post(server.address + "/logout", headers=foreign, timeout=60)
    assert person.get(server.address + "/", timeout=60, allow_redirects=False).status_code == 200


def test_a_logout_ends_the_session_even_for_a_copy_of_the_cookie(server, person):
    cookies = dict(person.cookies)
    person.post(server.address + "/logout", timeout=60)
    assert requests.get(server.address + "/", cookies=cookies, timeout=60, allow_redirects=False).status_code == 303


@pytest.mark.parametrize(
    "following", ["https://evil.example.org", "//evil.example.org", "/\\evil.example.org", "javascript:x", ""]
)
def test_a_login_leads_to_this_server_only(server, following):
    answer = requests.post(
        server.address + "/login", data={"key": server.key, "next": following}, timeout=60, allow_redirects=False
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_pages_of_runs_are_served_by_plain_name_and_nothing_else_is(server, person):
    folder = server.store.parent / "pages"
    (folder / "notes.txt").write_text("private", encoding="utf-8")
    (folder / ".hidden.html").write_text("private", encoding="utf-8")
    (folder / "link.html").unlink(missing_ok=True)
    (folder / "link.html").symlink_to(server.key_file)
    assert "html" in person.get(server.address + "/pages/pack-1--eq_cycles.html", timeout=60).headers["content-type"]
    assert person.get(server.address + "/pages/page.js", timeout=60).status_code == 200
    for name in (
        "notes.txt",
        ".hidden.html",
        "link.html",
        "..%2Fstore%2Fserve.key",
        "%2e%2e/store/serve.key",
        "no.html",
        "a%00.html",
    ):
        answer = person.get(server.address + "/pages/" + name, timeout=60)
        assert answer.status_code == 404
        assert server.key not in answer.text
    (folder / "link.html").unlink()


def test_an_uploaded_page_is_listed_and_runs_shut_off_from_the_server(server, person):
    page = b"<!doctype html><script>document.cookie</script>"
    files = {"file": (f"{ASSET}--far_model.html", page, "text/html")}
    made = requests.post(
        server.address + "/api/resource/upload",
        headers=server.headers,
        files=files,
        data={"resourceType": "GENERAL"},
        timeout=60,
    ).json()
    assert "far_model (uploaded)" in person.get(server.address + "/", timeout=60).text
    shown = person.get(f"{server.address}/uploads/{made['id']['id']}", timeout=60)
    assert shown.content == page
    assert shown.headers["content-security-policy"].startswith("sandbox allow-scripts; default-src 'none'")
    changed = requests.put(
        f"{server.address}/api/resource/{made['id']['id']}/data", headers=server.headers, files={"file": ("new.html", b"new", "text/html")},
        timeout=60,
    )  # fmt: skip
    assert changed.status_code == 200
    assert person.get(f"{server.address}/uploads/{made['id']['id']}", timeout=60).content == b"new"


def test_more_assets_than_a_page_holds_are_turned_and_found(tmp_path):
    with serving(tmp_path) as server:
        for number in range(27):
            label = "W" * 250 if number == 3 else ""
            body = {
                "name": f"asset-{number:02d}",
                "label": label,
                "additionalInfo": {"tags": ["even" if number % 2 == 0 else "odd"]},
            }
            requests.post(server.address + "/api/asset", json=body, headers=server.headers, timeout=60)
        session = requests.Session()
        assert "27 assets." in session.post(server.address + "/login", data={"key": server.key}, timeout=60).text
        second = session.get(server.address + "/?page=2", timeout=60).text
        assert "asset-26" in second
        assert "asset-00" not in second
        assert "14 found" in session.get(server.address + "/?search=even", timeout=60).text
        assert "No asset has" in session.get(server.address + "/?search=nothing", timeout=60).text
        with chromium() as browser:
            for size in (PHONE, DESK):
                tab = browser.new_context(viewport=size).new_page()
                tab.goto(server.address + "/")
                tab.fill("#key", server.key)
                tab.click("main button")
                name = tab.locator("table.fleet tbody th", has_text="WWW").bounding_box()
                assert name["x"] + name["width"] <= size["width"], "a long name is broken, not cut"


def test_a_browser_without_scripts_reads_it_all_on_a_phone_and_on_a_desk_in_light_and_dark(server):
    assert not missing(), missing()
    with chromium() as browser:
        for size in (PHONE, DESK):
            for scheme in ("light", "dark"):
                context = browser.new_context(viewport=size, color_scheme=scheme, java_script_enabled=True)
                tab = context.new_page()
                said = []
                tab.on("console", lambda message, said=said: said.append(message.text))
                tab.goto(server.address + "/")
                tab.fill("#key", server.key)
                tab.click("main button")
                _fits(tab, said)
                tab.click("table.fleet tbody th a >> nth=0")
                assert "/asset/" in tab.url
                _fits(tab, said)
                context.close()


def test_a_page_of_a_run_works_where_it_is_served(server):
    with chromium() as browser:
        tab = browser.new_context(viewport=DESK).new_page()
        said = []
        tab.on("console", lambda message: said.append(message.text))
        tab.goto(server.address + "/login?next=%2Fpages%2Fpack-1--eq_cycles.html")
        tab.fill("#key", server.key)
        tab.click("main button")
        assert tab.url.endswith("/pages/pack-1--eq_cycles.html")
        assert tab.evaluate("window.hurt") is None
        assert tab.locator(".panel svg").count() > 0
        assert not [text for text in said if "Content Security" in text]


def _fits(tab, said):
    assert not said
    assert tab.evaluate("window.hurt") is None
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    background = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background in ("rgb(245, 246, 248)", "rgb(16, 21, 27)")


def test_a_frame_that_is_shut_off_logs_nobody_out(server, person):
    for headers in ({"Origin": "null"}, {"Origin": "null", "Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
        answer = person.post(server.address + "/logout", headers=headers, timeout=60, allow_redirects=False)
        assert "set-cookie" not in answer.headers
    assert "Log out" in person.get(server.address + "/", timeout=60).text
    stranger = requests.post(server.address + "/logout", timeout=60, allow_redirects=False)
    assert "set-cookie" not in stranger.headers, "the cookie's name is made from the key"


def test_one_file_that_cannot_be_read_hides_nothing_else(tmp_path):
    last = 253_402_300_799_999
    with serving(tmp_path) as server:
        for name in ("whole", "damaged"):
            asset = requests.post(server.address + "/api/asset", json={"name": name}, headers=server.headers, timeout=60)
            path = f"{server.address}/api/plugins/telemetry/ASSET/{asset.json()['id']['id']}"
            facts = {"time_zone": "Asia/Tokyo"}  # where the year 9999 ends before the last instant that is taken
            requests.post(path + "/attributes/SERVER_SCOPE", json=facts, headers=server.headers, timeout=60)
            body = {"ts": last, "values": {"level": 7.25}}
            assert requests.post(path + "/timeseries/ANY", json=body, headers=server.headers, timeout=60).status_code == 200
        next((server.store / "damaged").rglob("*.parquet")).write_bytes(b"no table")
        files = {"file": ("a.html", b"<p>a")}
        made = requests.post(server.address + "/api/resource/upload", files=files, headers=server.headers, timeout=60).json()
        (server.store / ".served" / "resources" / f"{made['id']['id']}.json").write_text("{", encoding="utf-8")
        person = requests.Session()
        index = person.post(server.address + "/login", data={"key": server.key}, timeout=60)
        assert index.status_code == 200
        assert "damaged cannot be read" in index.text
        assert "7.25" in index.text
        links = re.findall(r'href="(/asset/[^"]+)">(whole|damaged)<', index.text)
        assert sorted(name for _, name in links) == ["damaged", "whole"]
        for link, name in links:
            answer = person.get(server.address + link, timeout=60)
            assert answer.status_code == 200
            assert ("cannot be read" in answer.text) == (name == "damaged")
        assert person.get(server.address + "/?page=\u00b2", timeout=60).status_code == 200


def test_the_server_needs_no_folder_of_pages(server, person):
    folder = server.store.parent / "pages"
    moved = folder.rename(folder.with_name("pages-elsewhere"))
    try:
        assert person.get(server.address + "/", timeout=60).status_code == 200
        assert person.get(server.address + "/pages/index.html", timeout=60).status_code == 404
    finally:
        shutil.move(moved, folder)
