"""Login, tokens, and who is asking."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from platform_interface.server.answers import RefusalError, json_answer
from platform_interface.server.entities import NO_CUSTOMER, id_of, reference, tenant
from platform_interface.server.web import Call, Served, body_of, guarded, serves

#: Largest body of a login. [bytes]
_SMALL = 65_536


async def _object(request: Request) -> dict[str, Any]:
    try:
        body = orjson.loads(await body_of(request, _SMALL))
    except orjson.JSONDecodeError:
        raise RefusalError(400, "Invalid login request payload") from None
    if not isinstance(body, dict):
        raise RefusalError(400, "Invalid login request payload")
    return body


async def _login(request: Request) -> Response:
    body = await _object(request)
    user, password = body.get("username"), body.get("password")
    if not (isinstance(user, str) and isinstance(password, str) and user.strip() and password):
        raise RefusalError(401, "Username or Password not provided")
    served: Served = request.app.state.served
    return json_answer(served.door.log_in(user[:255], password))


async def _renew(request: Request) -> Response:
    token = (await _object(request)).get("refreshToken")
    if not isinstance(token, str) or not token:
        raise RefusalError(401, "Refresh token is not provided")
    served: Served = request.app.state.served
    return json_answer(served.door.renew(token))


async def _public(request: Request) -> Response:
    await body_of(request, _SMALL)
    raise RefusalError(401, "Nothing is public on this platform; log in, or send a key")


def _user(served: Served, call: Call) -> Response:
    del served
    email = str(call.user["sub"])
    return json_answer({
        "id": reference("USER", id_of("user", "")), "createdTime": 0, "tenantId": tenant(),
        "customerId": reference("CUSTOMER", NO_CUSTOMER), "email": email, "name": email, "authority": "TENANT_ADMIN",
        "firstName": None, "lastName": None, "phone": None, "version": 1, "additionalInfo": {},
    })  # fmt: skip


def _logout(served: Served, call: Call) -> Response:
    if call.user.get("sessionId"):
        served.door.log_out(dict(call.user))
    return Response(b"", 200)


ROUTES: list[Route] = [
    Route("/api/auth/login", guarded(_login), methods=["POST"]),
    Route("/api/auth/login/public", guarded(_public), methods=["POST"]),
    Route("/api/auth/token", guarded(_renew), methods=["POST"]),
    serves("GET", "/api/auth/user", _user),
    serves("POST", "/api/auth/logout", _logout),
]
