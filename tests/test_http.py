"""The way to a remote platform: what is repeated, for how long, what never is, and what leaves this machine."""

from __future__ import annotations

import ssl
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from platform_interface.errors import PlatformError, UsageError
from platform_interface.platforms.http import Budget, Http, RefusedError, checked_address
from platform_interface.settings import PlatformSettings
from tests.answering import Asked, Told, answering

KEY = {"X-Authorization": "ApiKey tb_key_0123456789"}


def way(address: str, **settings: Any) -> Http:
    return Http(address, PlatformSettings.model_validate({"retry_budget": 5, **settings}), lambda _rejected: KEY)


def in_turn(*told: Told) -> Any:
    """Answer with these, one after the other, then always with the last."""
    left, lock = list(told), threading.Lock()

    def answer(_: Asked) -> Told:
        with lock:
            return left.pop(0) if len(left) > 1 else left[0]

    return answer


FINE = Told({"fine": True})
CUT = Told(raw=b'{"fi', headers={"Content-Length": "400"})


@pytest.mark.parametrize(
    "first", [Told({"message": "Too many"}, 429), Told({}, 500), Told(raw=b"<html>", status=503), CUT], ids=str
)
def test_what_may_pass_is_repeated_until_it_has(first):
    with answering(in_turn(first, first, FINE)) as server:
        http = way(server.address)
        assert http.request("POST", "/x", content={"a": 1.0}).json() == {"fine": True}
        assert (http.repeated, [asked.body for asked in server.asked]) == (2, [b'{"a":1.0}'] * 3)


@pytest.mark.parametrize("first", [Told({}, 500), CUT], ids=str)
def test_what_may_have_been_done_is_not_repeated_where_twice_would_do_harm(first):
    with answering(in_turn(first, FINE)) as server:
        with pytest.raises(PlatformError):
            way(server.address).request("POST", "/x", again=False)
        assert len(server.asked) == 1


def test_what_was_surely_not_done_is_repeated_even_then():
    with answering(in_turn(Told({}, 429), FINE)) as server:
        assert way(server.address).request("POST", "/x", again=False).json() == {"fine": True}


def test_a_refusal_is_said_once_in_the_platforms_own_words():
    with answering(in_turn(Told({"message": "Asset\n with <b> exists"}, 400))) as server:
        with pytest.raises(RefusedError, match=r"400 Asset with <b> exists") as caught:
            way(server.address).request("POST", "/x")
        assert (caught.value.status, len(server.asked)) == (400, 1)


def test_a_rejected_sign_in_is_renewed_once():
    rejected: list[bool] = []

    def sign(again: bool) -> dict[str, str]:
        rejected.append(again)
        return KEY

    with answering(in_turn(Told({"errorCode": 11}, 401), FINE)) as server:
        http = Http(server.address, PlatformSettings(), sign)
        assert http.request("GET", "/x").json() == {"fine": True}
    with answering(in_turn(Told({"errorCode": 11}, 401))) as server, pytest.raises(RefusedError, match="userApiKey"):
        Http(server.address, PlatformSettings(), sign).request("GET", "/x")
    assert rejected == [False, True, False, True]


def test_repeating_ends_with_the_budget_and_says_so():
    with answering(in_turn(Told({}, 503))) as server:
        began = time.monotonic()
        with pytest.raises(PlatformError, match=r"platform\.retry_budget \(1 s a run\)"):
            way(server.address, retry_budget=1).request("GET", "/x")
        assert time.monotonic() - began < 20
        assert len(server.asked) >= 2


def test_waiting_at_one_time_counts_once():
    budget = Budget(10.0)
    threads = [threading.Thread(target=budget.sleep, args=(0.3,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 10.0 - 8 * 0.3 < budget.left() <= 10.0 - 0.3


def test_the_platforms_wish_to_wait_is_kept_and_a_wish_that_makes_no_sense_is_not():
    with answering(in_turn(Told({}, 429, headers={"Retry-After": "1"}), FINE)) as server:
        began = time.monotonic()
        way(server.address).request("GET", "/x")
        assert time.monotonic() - began >= 1.0
    for odd in ("-5", "nan", "Wed, 21 Oct 2015 07:28:00 GMT", ""):
        with answering(in_turn(Told({}, 429, headers={"Retry-After": odd}), FINE)) as server:
            assert way(server.address).request("GET", "/x").json() == {"fine": True}


def test_a_platform_that_is_not_there_is_told():
    with answering(in_turn(FINE)) as server:
        address = server.address
    with pytest.raises(PlatformError, match="Is the platform up"):
        way(address, retry_budget=0).request("GET", "/x")


def test_the_key_follows_no_redirection():
    with answering(in_turn(FINE)) as other, answering(in_turn(Told(None, 302, headers={"Location": other.address}))) as server:
        with pytest.raises(RefusedError, match="redirects"):
            way(server.address).request("GET", "/x")
        assert other.asked == []


def test_a_login_page_of_a_proxy_is_no_data():
    with (
        answering(in_turn(Told(raw=b"<html>Sign in"))) as server,
        pytest.raises(PlatformError, match="did not answer with JSON"),
    ):
        way(server.address).request("GET", "/x").json()


def test_an_answer_without_end_is_not_taken_in(monkeypatch):
    monkeypatch.setattr("platform_interface.platforms.http.MOST_BYTES", 3_000_000)
    with answering(in_turn(Told(raw=b" " * 6_000_000))) as server, pytest.raises(PlatformError, match="nothing of it was used"):
        way(server.address).request("GET", "/x")


def test_requests_at_one_time_are_bounded_and_their_answers_in_order():
    now, most, lock = [0], [0], threading.Lock()

    def answer(asked: Asked) -> Told:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.02)
        with lock:
            now[0] -= 1
        return Told(asked.path)

    with answering(answer) as server:
        http = way(server.address, concurrency=3)
        assert http.map(lambda n: http.request("GET", f"/{n}").json(), range(20)) == [f"/{n}" for n in range(20)]
    assert 2 <= most[0] <= 3


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("", "no address"), ("ftp://x", "not of the form"), ("https://", "not of the form"), ("https://me:pw@host", "holds a user"),
        ("https://host/?a=b", "holds a user, a query"), ("http://twin.example", "send the key readable"), ("host:8080", "not of the form"),
    ],
)  # fmt: skip
def test_an_address_that_would_give_something_away_is_refused(address, fault):
    with pytest.raises(UsageError, match=fault) as caught:
        checked_address(address, insecure=False)
    assert "pw" not in str(caught.value)


def test_http_is_for_this_machine_or_where_the_network_is_trusted():
    assert checked_address("http://127.0.0.1:8080/", insecure=False) == "http://127.0.0.1:8080"
    assert checked_address("http://[::1]:8080", insecure=False) == "http://[::1]:8080"
    assert checked_address("http://twin.example/tb/", insecure=True) == "http://twin.example/tb"


def certified(folder: Path, name: str) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 that vouches for itself."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(1))
        .not_valid_after(now + datetime.timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, hashes.SHA256())
    )  # fmt: skip
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return paths


def test_a_certificate_is_verified_against_the_private_authority_and_nobody_elses(tmp_path):
    from http.server import BaseHTTPRequestHandler, HTTPServer

    certificate, key = certified(tmp_path, "ours")
    other, _ = certified(tmp_path, "other")

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        address = f"https://127.0.0.1:{server.server_address[1]}"
        trusted = Http(address, PlatformSettings(), lambda _: KEY, certificate)
        assert trusted.request("GET", "/x").json() == {}
        for authority in (None, other):
            with pytest.raises(PlatformError, match="certificate cannot be trusted"):
                Http(address, PlatformSettings(), lambda _: KEY, authority).request("GET", "/x")
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)
