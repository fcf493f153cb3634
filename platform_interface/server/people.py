"""Pages for people: a login, the assets at a glance, one asset, and the HTML pages that runs wrote. No script is needed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from platform_interface import __version__
from platform_interface.dashboard.page import TEMPLATES, script_of, without_secrets
from platform_interface.errors import TwinError
from platform_interface.server.answers import RefusalError
from platform_interface.server.resources import content_of, info_of, media_type
from platform_interface.server.views import asset_content, index_content
from platform_interface.server.web import WRONG_KEY, Served, body_of, in_thread

if TYPE_CHECKING:
    from jinja2 import Environment

#: How long a login of a person lasts. [s]
SESSION = 12 * 3600.0
_POLICY = "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
#: Pages of runs state their own, stricter policy in themselves; this one keeps to this server what they load.
_PAGES_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
#: What a client uploaded may be anything: it runs apart from this server, without its cookie.
_APART = "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
_KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".json": "application/json"}


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def page(template: str, content: dict[str, Any], status: int = 200, signed_in: bool = True) -> Response:
    """Return a page; every name in it is escaped, no secret is in it."""
    whole = {**without_secrets(content), "signed_in": signed_in, "twin": __version__}
    text = _environment().get_template(template).render(whole)
    # with "no-referrer" a browser would say "null" where it sends a form of ours
    headers = {"content-security-policy": _POLICY, "referrer-policy": "same-origin"}
    return Response(text.encode("utf-8", "replace"), status, headers, "text/html; charset=utf-8")


def _cookie(served: Served) -> str:
    """Return the cookie's name: servers on other ports of this machine have cookies of their own."""
    return f"twin-{served.door.mark}"


def _signed_in(request: Request) -> bool:
    served: Served = request.app.state.served
    try:
        served.door.claims(request.cookies.get(_cookie(served), ""), "PEOPLE")
    except RefusalError:
        return False
    return True


def _shows(path: str, work: Callable[[Served, Request], Response]) -> Route:
    """Return the route of a page that needs a login."""

    async def endpoint(request: Request) -> Response:
        if not _signed_in(request):
            return RedirectResponse(f"/login?next={quote(request.url.path, safe='')}", 303)
        return await in_thread(request.app.state.served, lambda: work(request.app.state.served, request))

    return Route(path, _told(endpoint), methods=["GET"])


def _told(endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except RefusalError as refusal:
            return Response(refusal.message.encode("utf-8", "replace"), refusal.status, media_type="text/plain")
        except TwinError as error:
            return Response(str(without_secrets(str(error))).encode("utf-8", "replace"), 500, media_type="text/plain")

    return answer


def _index(served: Served, request: Request) -> Response:
    words = request.query_params.get("search", "")[:100]
    number = request.query_params.get("page", "1")
    return page("served_index.html", index_content(served, words, int(number) if number.isdecimal() and len(number) < 7 else 1))


def _asset(served: Served, request: Request) -> Response:
    return page("served_asset.html", asset_content(served, served.entities.name_of(request.path_params["id"])))


def _file(served: Served, request: Request) -> Response:
    """Return a page that a run wrote: a file of that one folder, by its plain name."""
    name = request.path_params["name"]
    path = served.pages / name
    kind = _KINDS.get(path.suffix.lower())
    if kind is None or name.startswith(".") or path.name != name or "\\" in name or path.is_symlink() or not path.is_file():
        raise RefusalError(
            404, "There is no such page. It is written by a run with write_pages, or by the command `dashboard`."
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RefusalError(500, f"{path} cannot be read: {error.strerror}") from None
    return Response(content, 200, {"content-security-policy": _PAGES_POLICY, "x-frame-options": "DENY"}, kind)


def _upload(served: Served, request: Request) -> Response:
    """Return a page that a client uploaded, shut off from this server."""
    info = info_of(served, request.path_params["id"])
    if not media_type(info).startswith("text/html"):
        raise RefusalError(404, "This upload is not a page")
    return Response(content_of(served, info), 200, {"content-security-policy": _APART}, "text/html; charset=utf-8")


async def _style(request: Request) -> Response:
    """Return a style of ours; it holds nothing of anybody."""
    return Response(script_of(request.url.path[1:]), media_type="text/css", headers={"cache-control": "max-age=3600"})


async def _login_form(request: Request) -> Response:
    return _form(request.query_params.get("next", "/"))


def _form(following: str, fault: str = "", status: int = 200) -> Response:
    return page("served_login.html", {"next": _inside(following), "fault": fault}, status, signed_in=False)


def _inside(path: str) -> str:
    """Return a path of this server, whatever was asked for."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() else "/"


def _foreign(request: Request) -> bool:
    """Whether a form was sent from another site; a frame that is shut off, too, has the origin "null"."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is not None and origin.partition("://")[2] != request.headers.get("host")


async def _login(request: Request) -> Response:
    served: Served = request.app.state.served
    fields = parse_qs((await body_of(request, 65_536)).decode("utf-8", "replace"))
    following, key = fields.get("next", ["/"])[0], fields.get("key", [""])[0]
    if _foreign(request):
        return _form("/", "The form was sent from another site.", 403)
    try:
        served.door.log_in("person", key.strip())
    except RefusalError as refusal:
        await asyncio.sleep(WRONG_KEY)
        text = "That is not the key." if refusal.status == 401 else f"{refusal.message}."
        return _form(following, text, refusal.status)
    answer = RedirectResponse(_inside(following), 303)
    answer.set_cookie(
        _cookie(served), served.door.signed("person", "PEOPLE", SESSION), max_age=int(SESSION), httponly=True, samesite="strict",
        secure=request.url.scheme == "https",
    )  # fmt: skip
    return answer


async def _logout(request: Request) -> Response:
    served: Served = request.app.state.served
    answer = RedirectResponse("/login", 303)
    if not _foreign(request) and _signed_in(request):  # the cookie's name is told to nobody else
        served.door.log_out(served.door.claims(request.cookies[_cookie(served)], "PEOPLE"))
        answer.delete_cookie(_cookie(served), httponly=True, samesite="strict")
    return answer


ROUTES: list[Route] = [
    _shows("/", _index),
    _shows("/asset/{id}", _asset),
    _shows("/uploads/{id}", _upload),
    Route("/page.css", _style, methods=["GET"]),
    Route("/served.css", _style, methods=["GET"]),
    Route("/login", _told(_login_form), methods=["GET"]),
    Route("/login", _told(_login), methods=["POST"]),
    Route("/logout", _told(_logout), methods=["POST"]),
    _shows("/pages/{name}", _file),
]
