"""Who may in, and what is refused: keys, names, sizes, slow clients, foreign pages; never a traceback, never a secret."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import uuid

import pytest
import requests

from tests.command import PROGRAM, command
from tests.serving import serving, start

pytestmark = pytest.mark.xdist_group("server-security")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("secure")) as running:
        yield running


def raw(server, data, wait=10.0):
    """Send bytes and return all that comes back until the other side closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=wait) as connection:
        connection.sendall(data)
        found = b""
        while part := connection.recv(65_536):
            found += part
        return found


def test_nothing_but_the_login_is_shown_without_a_key(server):
    for path in ("/api/tenant/assets?pageSize=1&page=0", "/api/auth/user", "/api/system/info", "/api/resource?pageSize=1&page=0",
                 f"/api/asset/{uuid.uuid4()}", f"/api/plugins/telemetry/ASSET/{uuid.uuid4()}/values/timeseries"):  # fmt: skip
        answer = requests.get(server.address + path, timeout=30)
        assert (answer.status_code, answer.json()["errorCode"]) == (401, 10)
    for path in ("/", "/pages/index.html", f"/asset/{uuid.uuid4()}", f"/uploads/{uuid.uuid4()}"):
        answer = requests.get(server.address + path, timeout=30, allow_redirects=False)
        assert (answer.status_code, answer.headers["location"].split("?")[0]) == (303, "/login")


def test_every_path_there_is_wants_a_key_or_a_login(server):
    from platform_interface.server.application import ROUTES

    free = {"/api/auth/login", "/api/auth/login/public", "/api/auth/token", "/page.css", "/served.css", "/login", "/logout"}
    asked = 0
    for route in ROUTES:
        for method in route.methods:
            if route.path not in free:
                path = route.path.replace("{ttl:int}", "0").replace("{", "").replace("}", "")
                answer = requests.request(method, server.address + path, data=b"{}", timeout=30, allow_redirects=False)
                assert answer.status_code == (401 if path.startswith("/api") else 303), (method, path)
                asked += 1
    assert asked > 100


@pytest.mark.parametrize("algorithm", ["none", "HS384", "RS256"])
def test_a_token_of_another_algorithm_is_refused(server, algorithm):
    import base64

    def part(content):
        return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()

    claims = {"sub": "a", "scopes": ["TENANT_ADMIN"], "iat": 0, "exp": 2**33, "sessionId": "s"}
    for signature in ("", "AAAA"):
        token = f"{part({'alg': algorithm, 'typ': 'JWT'})}.{part(claims)}.{signature}"
        answer = requests.get(server.address + "/api/auth/user", headers={"X-Authorization": f"Bearer {token}"}, timeout=30)
        assert (answer.status_code, answer.json()["errorCode"]) == (401, 10)


@pytest.mark.parametrize("header", ["ApiKey wrong", "ApiKey ", "Bearer x.y.z", "Bearer ", "Basic YTpi", "ApiKey \u00e9", ""])
def test_a_wrong_key_is_refused_in_every_form(server, header):
    answer = requests.get(server.address + "/api/auth/user", headers={"X-Authorization": header.encode("latin-1")}, timeout=30)
    assert answer.status_code == 401


def test_the_key_file_is_for_its_owner_alone_and_the_key_is_never_shown(server):
    assert stat.S_IMODE(server.key_file.stat().st_mode) == 0o600
    assert len(server.key) > 40
    requests.get(
        server.address + f"/api/auth/user?key={server.key}", headers={"X-Authorization": f"ApiKey {server.key}"}, timeout=30
    )
    requests.get(server.address + f"/{server.key}", headers=server.headers, timeout=30)
    assert server.key not in (server.store.parent / "serve.log").read_text(encoding="utf-8")


def test_too_many_wrong_passwords_close_the_login_and_not_the_key(tmp_path):
    with serving(tmp_path) as server:
        tries = [
            requests.post(
                server.address + "/api/auth/login", json={"username": "a", "password": f"wrong {n}"}, timeout=30
            ).status_code
            for n in range(7)
        ]
        assert tries == [401] * 5 + [429] * 2
        right = {"username": "a", "password": server.key}
        assert requests.post(server.address + "/api/auth/login", json=right, timeout=30).status_code == 429
        assert requests.get(server.address + "/api/auth/user", headers=server.headers, timeout=30).status_code == 200


def test_a_token_ends_with_its_logout_and_a_refresh_token_is_no_key(server):
    pair = requests.post(server.address + "/api/auth/login", json={"username": "a", "password": server.key}, timeout=30).json()
    bearer = {"X-Authorization": f"Bearer {pair['token']}"}
    assert requests.get(server.address + "/api/auth/user", headers=bearer, timeout=30).status_code == 200
    swapped = {"X-Authorization": f"Bearer {pair['refreshToken']}"}
    assert requests.get(server.address + "/api/auth/user", headers=swapped, timeout=30).status_code == 401
    assert requests.post(server.address + "/api/auth/logout", headers=bearer, timeout=30).status_code == 200
    assert requests.get(server.address + "/api/auth/user", headers=bearer, timeout=30).status_code == 401
    again = requests.post(server.address + "/api/auth/token", json={"refreshToken": pair["refreshToken"]}, timeout=30)
    assert again.status_code == 401


def test_an_expired_token_is_told_by_its_own_code():
    from platform_interface.server.answers import EXPIRED, RefusalError
    from platform_interface.server.keys import Doorkeeper

    door = Doorkeeper("a-key-for-these-tests-only", access=-1.0)
    with pytest.raises(RefusalError) as refusal:
        door.claims(door.tokens("me")["token"])
    assert (refusal.value.status, refusal.value.code) == (401, EXPIRED)
    with pytest.raises(RefusalError):
        Doorkeeper("another-key-of-these-tests").claims(door.signed("me", "TENANT_ADMIN", 60.0))


def test_a_body_that_is_too_large_is_refused_before_it_is_read_whole(server):
    head = f"POST /api/asset HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Authorization: ApiKey {server.key}\r\n"
    answer = raw(server, f"{head}Content-Length: {17 * 2**20}\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 413")

    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        block = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        sent = 0
        try:
            while sent < 64 * 2**20:
                connection.sendall(block)
                sent += 0x10000
        except OSError:
            pass
        assert sent < 40 * 2**20


def test_a_packed_body_is_refused_and_never_unpacked(server):
    import gzip

    headers = {**server.headers, "Content-Encoding": "gzip"}
    answer = requests.post(server.address + "/api/asset", data=gzip.compress(b" " * 10**8), headers=headers, timeout=30)
    assert answer.status_code == 415
    assert "send the body as it is" in answer.json()["message"]


def test_an_upload_may_be_larger_than_other_bodies_but_not_without_end(server):
    for size, expected in ((17 * 2**20, 200), (51 * 2**20, 413)):
        files = {"file": ("page.html", b"x" * size, "text/html")}
        try:
            answer = requests.post(
                server.address + "/api/resource/upload",
                headers=server.headers,
                files=files,
                data={"resourceType": "GENERAL"},
                timeout=120,
            )
        except requests.ConnectionError:
            assert expected == 413  # the server closed while this client was still sending
        else:
            assert answer.status_code == expected


@pytest.mark.parametrize("name", ["../../evil.html", "<script>x</script>.html", "a" * 300])
def test_an_upload_is_kept_under_its_id_whatever_it_is_called(server, name):
    files = {"file": (name, b"<script>alert(1)</script>", "text/html")}
    answer = requests.post(
        server.address + "/api/resource/upload",
        headers=server.headers,
        files=files,
        data={"resourceType": "GENERAL"},
        timeout=60,
    )
    if answer.status_code == 200:
        kept = server.store / ".served" / "resources"
        assert all(path.name.startswith(tuple("0123456789abcdef")) for path in kept.iterdir())
        got = requests.get(
            server.address + f"/api/resource/{answer.json()['id']['id']}/download", headers=server.headers, timeout=60
        )
        assert got.headers["content-disposition"].startswith("attachment")
        assert got.headers["content-security-policy"] == "sandbox"
    else:
        assert answer.status_code == 400
    assert not list(server.store.parent.rglob("evil.html"))


@pytest.mark.parametrize("host", ["evil.example.org", "127.0.0.1.evil.example.org", "", "169.254.169.254"])
def test_a_name_that_points_here_from_elsewhere_is_not_served(server, host):
    answer = raw(server, f"GET /login HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 421")
    good = raw(server, f"GET /login HTTP/1.1\r\nHost: localhost:{server.port}\r\nConnection: close\r\n\r\n".encode())
    assert good.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "data",
    [b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n"],
)
def test_what_is_no_http_is_refused_and_the_server_goes_on(server, data):
    assert raw(server, data).startswith((b"HTTP/1.1 4", b""))
    assert requests.get(server.address + "/login", timeout=30).status_code == 200


def test_another_than_loopback_needs_a_certificate(tmp_path):
    result = command("serve", "--host", "0.0.0.0", "--port", "0", json.dumps(_values(tmp_path)), cwd=tmp_path)
    assert (result.returncode, "certificate" in result.stderr) == (2, True)


def test_a_key_on_the_command_line_and_a_short_key_are_refused(tmp_path):
    secret = "written-openly-by-mistake"
    result = command("serve", "--key", secret, "--port", "0", json.dumps(_values(tmp_path)), cwd=tmp_path)
    assert result.returncode == 2
    assert secret not in result.stdout + result.stderr
    given = ("serve", "--key", "env:TWIN_SHORT_KEY", "--port", "0", json.dumps(_values(tmp_path)))
    result = command(*given, cwd=tmp_path, TWIN_SHORT_KEY="hunter2!")
    assert (result.returncode, "16 characters" in result.stderr) == (2, True)
    assert "hunter2!" not in result.stdout + result.stderr


def _values(folder):
    return {"configurationValues": {"platform": {"store": str(folder / "store"), "pages": str(folder / "pages")}}}


def test_a_key_can_come_from_the_environment(tmp_path):
    key = "a-key-of-the-environment-0123"
    with serving(tmp_path, "--key", "env:TWIN_SERVED_KEY", TWIN_SERVED_KEY=key) as server:
        headers = {"X-Authorization": f"ApiKey {key}"}
        assert requests.get(server.address + "/api/auth/user", headers=headers, timeout=30).status_code == 200
        assert not server.key_file.exists()


def test_it_serves_over_tls_with_a_certificate(tmp_path):
    pem, private = _certificate(tmp_path)
    with serving(tmp_path, "--host", "0.0.0.0", "--certificate", pem, "--private-key", private) as server:
        address = f"https://localhost:{server.port}"
        answer = requests.get(address + "/api/auth/user", headers=server.headers, verify=str(pem), timeout=30)
        assert answer.status_code == 200
        login = requests.post(address + "/login", data={"key": server.key}, verify=str(pem), allow_redirects=False, timeout=30)
        assert all(word in login.headers["set-cookie"] for word in ("Secure", "HttpOnly", "SameSite=strict"))
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(address + "/login", timeout=30)


def _certificate(folder):
    """Make a certificate for localhost."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .add_extension(x509.BasicConstraints(True, None), True).sign(key, hashes.SHA256())
    )  # fmt: skip
    pem, private = folder / "cert.pem", folder / "key.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    kind = serialization.PrivateFormat.PKCS8
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()))
    return pem, private


#: An answer that takes some seconds to fetch slowly. [bytes]
LARGE = 2**26
SLOW = """
import sys
sys.path.insert(0, {program!r})
from platform_interface.server import slow
slow.Patient.header_time = slow.Patient.body_time = 1.0
slow.Patient.write_time = 2.0
slow.Patient.most = 8
from platform_interface.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def impatient(tmp_path_factory):
    """The real server with less patience, so that the tests need not have its usual one."""
    folder = tmp_path_factory.mktemp("impatient")
    (folder / "launch.json").write_text(json.dumps(_values(folder)), encoding="utf-8")
    (folder / "pages").mkdir()
    (folder / "pages" / "large.html").write_bytes(b"x" * LARGE)
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW.format(program=str(PROGRAM)), "serve", str(folder / "launch.json"), "--port", "0", "--quiet",
         "--key", "env:SLOW_KEY"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, "SLOW_KEY": "k" * 20},
    )  # fmt: skip
    yield int(process.stdout.readline().strip().rpartition(":")[2])
    process.kill()
    process.wait(timeout=30)
    process.stdout.close()


def _closed_after(port, *parts, pause=0.2, limit=20.0):
    """Send parts with pauses, then say after how long the server let go."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=limit) as connection:
        try:
            for part in parts:
                connection.sendall(part)
                time.sleep(pause)
            while connection.recv(4096):
                pass
        except ConnectionError:
            pass
    return time.monotonic() - began


HEAD = b"POST /api/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.mark.parametrize("parts", [
    (), (b"GET / HT",), (HEAD, *([b"X-A: b\r\n"] * 40)), (HEAD + b"Content-Length: 1000\r\n\r\n", *([b"x"] * 40)),
    (b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /", *([b"x"] * 40)),
], ids=["silent", "half a line", "headers without end", "a body without end", "half a request behind a whole one"])  # fmt: skip
def test_a_client_that_does_not_get_anywhere_is_let_go(impatient, parts):
    assert _closed_after(impatient, *parts) < 15.0
    assert requests.get(f"http://127.0.0.1:{impatient}/login", timeout=30).status_code == 200


def _taken(port, *pauses):
    """Take an answer of some megabytes: after each pause 128 KiB, and then the rest; return how much came."""
    cookie = _cookie(port)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**17)
        connection.settimeout(30)
        connection.connect(("127.0.0.1", port))
        head = b"GET /pages/large.html HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nCookie: %b\r\n\r\n"
        connection.sendall(head % cookie)
        found, part = 0, b"."
        try:
            for pause in pauses:
                time.sleep(pause)
                step = found + 2**17
                while part and found < step:
                    part = connection.recv(2**17)
                    found += len(part)
            while part:
                part = connection.recv(2**20)
                found += len(part)
        except ConnectionError:
            pass
        return found


def _cookie(port):
    session = requests.Session()
    session.post(f"http://127.0.0.1:{port}/login", data={"key": "k" * 20}, timeout=30)
    return "; ".join(f"{name}={value}" for name, value in session.cookies.items()).encode()


def test_a_reader_may_be_slow_but_not_stand_still(impatient):
    assert _taken(impatient, *[0.05] * 100) >= LARGE, "five seconds, more than twice the patience with one who stands still"
    assert _taken(impatient, 8.0) < LARGE


def test_there_are_only_so_many_connections(impatient):
    held = [socket.create_connection(("127.0.0.1", impatient), timeout=20) for _ in range(30)]
    time.sleep(0.3)
    refused = 0
    for connection in held:
        connection.settimeout(0.05)
        try:
            refused += connection.recv(1) == b""
        except TimeoutError:
            pass
        except ConnectionError:
            refused += 1
    for connection in held:
        connection.close()
    assert refused >= 15
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if requests.get(f"http://127.0.0.1:{impatient}/login", timeout=5).status_code == 200:
                return
        except requests.ConnectionError:
            time.sleep(0.2)
    raise AssertionError("the server did not recover")


def test_a_signal_right_after_the_start_ends_it_too(tmp_path):
    for _ in range(5):
        server = start(tmp_path)
        server.process.send_signal(signal.SIGTERM)
        try:
            assert server.process.wait(timeout=60) == 0
        finally:
            server.process.kill()
            server.process.stdout.close()


def test_a_certificate_that_cannot_be_used_is_told_before_it_says_that_it_serves(tmp_path):
    (tmp_path / "cert.pem").write_text("no certificate", encoding="utf-8")
    (tmp_path / "launch.json").write_text(json.dumps(_values(tmp_path)), encoding="utf-8")
    files = ("--certificate", tmp_path / "cert.pem", "--private-key", tmp_path / "cert.pem")
    done = command("serve", tmp_path / "launch.json", "--port", "0", *files, cwd=tmp_path)
    assert done.returncode == 2
    assert "cannot be used" in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


def test_sigterm_finishes_what_is_in_flight_and_ends_with_zero(tmp_path):
    server = start(tmp_path)
    session = requests.Session()
    session.headers.update(server.headers)
    asset = session.post(server.address + "/api/asset", json={"name": "pack"}, timeout=30).json()["id"]["id"]
    body = json.dumps([{"ts": 1_767_225_600_000 + n, "values": {"a": float(n)}} for n in range(200_000)])
    found = {}

    def send():
        path = f"/api/plugins/telemetry/ASSET/{asset}/timeseries/ANY"
        found["status"] = session.post(server.address + path, data=body, timeout=60).status_code

    sender = threading.Thread(target=send)
    sender.start()
    time.sleep(0.15)
    server.process.send_signal(signal.SIGTERM)
    sender.join(timeout=60)
    assert server.process.wait(timeout=60) == 0
    assert found["status"] == 200
    server.process.stdout.close()


@pytest.mark.parametrize("wait", [0.02, 0.1, 0.25])
def test_kill_minus_nine_in_the_middle_of_a_write_leaves_whole_files(tmp_path, wait):
    server = start(tmp_path)
    session = requests.Session()
    session.headers.update(server.headers)
    asset = session.post(server.address + "/api/asset", json={"name": "pack"}, timeout=30).json()["id"]["id"]
    path = f"{server.address}/api/plugins/telemetry/ASSET/{asset}/timeseries/ANY"

    def send():
        try:
            for part in range(50):
                rows = [{"ts": 1_767_225_600_000 + part * 1000 + n, "values": {"a": float(n), "b": 1.0}} for n in range(1000)]
                session.post(path, data=json.dumps(rows), timeout=30)
        except requests.ConnectionError:
            pass

    sender = threading.Thread(target=send)
    sender.start()
    time.sleep(wait)
    server.kill()
    sender.join(timeout=60)
    server.process.stdout.close()
    with serving(tmp_path) as again:
        query = {"keys": "a,b", "startTs": 0, "endTs": 2_000_000_000_000, "limit": 100_000}
        rows = requests.get(
            f"{again.address}/api/plugins/telemetry/ASSET/{asset}/values/timeseries",
            params=query,
            headers=again.headers,
            timeout=30,
        ).json()
        # each key is whole; the one may be ahead of the other, as nobody was told that the request was taken
        assert [len(found) % 1000 for found in rows.values()] == [0] * len(rows)
        repeat = [{"ts": 1_767_225_600_000, "values": {"a": 5.0}}]
        answer = requests.post(
            f"{again.address}/api/plugins/telemetry/ASSET/{asset}/timeseries/ANY",
            json=repeat,
            headers=again.headers,
            timeout=30,
        )
        assert answer.status_code == 200


def test_a_damaged_asset_is_one_error_and_not_the_end_of_the_server(tmp_path):
    with serving(tmp_path) as server:
        session = requests.Session()
        session.headers.update(server.headers)
        made = [session.post(server.address + "/api/asset", json={"name": name}, timeout=30).json() for name in "ab"]
        for path in (server.store / "a").glob("asset.db*"):
            path.write_bytes(b"this is no database" * 100)
        listed = requests.get(
            server.address + "/api/tenant/assets?pageSize=10&page=0", headers=server.headers, timeout=30
        ).json()
        assert [row["name"] for row in listed["data"]] == ["b"]
        broken = requests.get(server.address + f"/api/asset/{made[0]['id']['id']}", headers=server.headers, timeout=30)
        assert broken.status_code == 500
        assert "Restore it from a back-up" in broken.json()["message"]
        good = requests.get(server.address + f"/api/asset/{made[1]['id']['id']}", headers=server.headers, timeout=30)
        assert good.status_code == 200
        session = requests.Session()
        session.post(server.address + "/login", data={"key": server.key}, timeout=30)
        page = session.get(server.address + "/", timeout=30)
        assert "a cannot be read" in page.text
