"""Attributes of a thing: parameters for models, and what the twin keeps for itself under `twin.`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from platform_interface.platforms.thingsboard.api import Api, key_groups, keys_of, misshaped
from platform_interface.platforms.thingsboard.entities import Entity
from platform_interface.platforms.thingsboard.values import kept_as_number

#: Attributes that are the twin's own, and no parameters.
OURS = "twin."
#: Of the same name in several scopes the first counts.
SCOPES = ("SERVER_SCOPE", "SHARED_SCOPE", "CLIENT_SCOPE")


class Attributes:
    """Reads and writes attributes; always those of the server's scope, except where parameters are read."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def keys(self, entity: Entity, scope: str = SCOPES[0]) -> list[str]:
        """Return the names of what is there."""
        path = f"{entity.telemetry}/keys/attributes/{scope}"
        content = self.api.get(path)
        if not isinstance(content, list) or not all(isinstance(key, str) for key in content):
            raise misshaped(path, "a list of keys", content)
        return content

    def read(self, entity: Entity, names: Sequence[str], scope: str = SCOPES[0]) -> dict[str, Any]:
        """Return the values of those that are there."""
        found: dict[str, Any] = {}
        path = f"{entity.telemetry}/values/attributes/{scope}"
        for group in key_groups(names):
            content = self.api.get(path, keys_of(group))
            if not isinstance(content, list) or not all(isinstance(e, dict) and isinstance(e.get("key"), str) for e in content):
                raise misshaped(path, "a list of attributes", content)
            found.update({each["key"]: each.get("value") for each in content if each["key"] in group})
        return found

    def write(self, entity: Entity, values: Mapping[str, Any]) -> None:
        """Set attributes; each is whole or as before, but several are not one transaction."""
        if values:
            self.api.post(f"{entity.telemetry}/attributes/{SCOPES[0]}", dict(values))

    def delete(self, entity: Entity, names: Sequence[str]) -> None:
        """Delete attributes; one that is not there is deleted."""
        path = f"/api/plugins/telemetry/{entity.kind}/{entity.uuid}/{SCOPES[0]}"
        for group in key_groups(names):
            self.api.delete(path, keys_of(group))

    def parameters(self, entity: Entity) -> dict[str, Any]:
        """Return what models may read: all but the twin's own; for a device shared and client attributes too."""
        found: dict[str, Any] = {}
        for scope in SCOPES if entity.kind == "DEVICE" else SCOPES[:1]:
            names = [name for name in self.keys(entity, scope) if not name.startswith(OURS) and name not in found]
            found.update(self.read(entity, sorted(names), scope))
        return {name: value for name, value in sorted(found.items()) if value is not None}

    def save_parameters(self, entity: Entity, wanted: Mapping[str, Any]) -> None:
        """Write the parameters that differ; none is deleted, for it may be somebody else's."""
        stated = {name: _kept(value) for name, value in wanted.items() if value is not None and not name.startswith(OURS)}
        known = self.read(entity, sorted(stated)) if stated else {}
        changed = {n: v for n, v in stated.items() if n not in known or known[n] != v or type(known[n]) is not type(v)}
        self.write(entity, changed)


def _kept(value: Any) -> Any:
    """Return the value as ThingsBoard keeps a number as a number."""
    return kept_as_number(value) if isinstance(value, float) and math.isfinite(value) else value
