"""Assets and devices: found by name, UUID, tag, profile or relation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from platform_interface.errors import PlatformError
from platform_interface.platforms.http import RefusedError
from platform_interface.platforms.thingsboard.api import Api, is_uuid, misshaped, uuid_of
from platform_interface.spelling import did_you_mean

KINDS = ("ASSET", "DEVICE")
RELATION = "relation:"
_PREFIX = {"asset:": "ASSET", "device:": "DEVICE"}


@dataclass(frozen=True)
class Entity:
    """An asset or a device.

    Attributes
    ----------
    id : str
        How the twin calls it: its name; ``asset:NAME`` or ``device:NAME`` where both have it.
    """

    kind: str
    uuid: str
    name: str
    id: str
    label: str
    profile: str
    tags: tuple[str, ...]
    body: Mapping[str, Any]

    @property
    def telemetry(self) -> str:
        """Address of its series and attributes."""
        return f"/api/plugins/telemetry/{self.kind}/{self.uuid}"


@dataclass(frozen=True)
class _User:
    tenant: bool
    customer: str


class Directory:
    """Finds things, and remembers those that it found.

    Parameters
    ----------
    where : str
        The platform, for messages.
    """

    def __init__(self, api: Api, where: str) -> None:
        self.api = api
        self.where = where
        self._known: dict[str, Entity] = {}
        self._user: _User | None = None

    def user(self) -> _User:
        """Return who we are; asked once, and a wrong key shows here."""
        if self._user is None:
            content = self.api.get("/api/auth/user")
            if not isinstance(content, dict) or not isinstance(content.get("authority"), str):
                raise misshaped("/api/auth/user", "a user", content)
            if content["authority"] == "CUSTOMER_USER":
                self._user = _User(False, uuid_of(content.get("customerId"), "/api/auth/user"))
            elif content["authority"] == "TENANT_ADMIN":
                self._user = _User(True, "")
            else:
                raise PlatformError(
                    f"{self.where}: this user is {content['authority'][:40]!r}; the twin needs a user of a tenant or of a customer"
                )
        return self._user

    def find(self, name: str) -> Entity:
        """Return one by its name, by ``asset:NAME`` or ``device:NAME``, or by its UUID.

        Raises
        ------
        PlatformError
            It is not there, or the name belongs to an asset and to a device.
        """
        entity = self.lookup(name)
        if entity is None:
            known = [self.id_of(each, ()) for each in self._some()]
            raise PlatformError(f"asset '{name}' is not on {self.where}{did_you_mean(name, known)}")
        return entity

    def lookup(self, name: str) -> Entity | None:
        """Return the same, or ``None`` where it is not there."""
        if name not in self._known:
            found = self._by_uuid(name) or self._by_name(name)
            if found is None:
                return None
            self._known[name] = self._known[found.id] = found
        return self._known[name]

    def forget(self, entity: Entity) -> None:
        """Look it up anew next time."""
        self._known = {name: each for name, each in self._known.items() if each.uuid != entity.uuid}

    def _by_uuid(self, text: str) -> Entity | None:
        if not is_uuid(text):
            return None
        for kind in KINDS:
            try:
                content = self.api.found(f"/api/{kind.lower()}/{text.lower()}")
            except RefusedError as error:
                if error.status not in (400, 403):
                    raise
                content = None
            if content is not None:
                return entity_of(content, kind)
        return None

    def _by_name(self, text: str) -> Entity | None:
        prefix = next((prefix for prefix in _PREFIX if text.startswith(prefix)), "")
        name = text.removeprefix(prefix)
        kinds = [_PREFIX[prefix]] if prefix else list(KINDS)
        found = [entity for kind in kinds if (entity := self._one(kind, name, text if prefix else name)) is not None]
        if len(found) > 1:
            raise PlatformError(f"'{name}' is an asset and a device on {self.where}; ask for asset:{name} or device:{name}")
        return found[0] if found else None

    def _one(self, kind: str, name: str, called: str) -> Entity | None:
        if not name or not name.isprintable():
            return None
        if not self.user().tenant:
            listed: Iterable[dict[str, Any]] = self.api.pages(self._listing(kind), {"textSearch": name})
        else:
            content = self.api.found(self._listing(kind), {f"{kind.lower()}Name": name})
            if content is None:
                return None
            listed = content["data"] if isinstance(content, dict) and isinstance(content.get("data"), list) else [content]
        return next(
            (entity_of(each, kind, called) for each in listed if isinstance(each, dict) and each.get("name") == name), None
        )

    def _listing(self, kind: str) -> str:
        user = self.user()
        return f"/api/tenant/{kind.lower()}s" if user.tenant else f"/api/customer/{user.customer}/{kind.lower()}s"

    def _some(self) -> list[Entity]:
        """Return a page of things, for the nearest name."""
        found = []
        for kind in KINDS:
            content = self.api.get(self._listing(kind), {"pageSize": 500, "page": 0})
            listed = content.get("data") if isinstance(content, dict) else None
            found += [entity_of(each, kind) for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
        return found

    def every(self) -> list[Entity]:
        """Return all assets and devices that this user sees."""
        return self._named([entity_of(each, kind) for kind in KINDS for each in self.api.pages(self._listing(kind))])

    def with_tag(self, tag: str) -> list[Entity]:
        """Return those with a tag, of a profile, or below another by ``relation:TYPE:NAME``."""
        if tag.startswith(RELATION):
            return self._below(tag)
        return [entity for entity in self.every() if not tag or tag in entity.tags or tag == entity.profile]

    def _below(self, tag: str) -> list[Entity]:
        """Return everything that relations of one type lead to from one thing, however deep."""
        kind, _, name = tag.removeprefix(RELATION).partition(":")
        if not kind or not name:
            raise PlatformError(f"assetTag '{tag}': write relation:TYPE:NAME, for example relation:Contains:Site 1")
        top = self.find(name)
        seen = {(top.kind, top.uuid)}
        found: list[Entity] = []
        level = [top]
        while level:
            fresh = []
            for target in self.api.http.map(lambda entity: self._targets(entity, kind), level):
                fresh += [pair for pair in target if pair not in seen]
                seen.update(target)
            level = [entity for entity in self.api.http.map(self._target, list(dict.fromkeys(fresh))) if entity is not None]
            found += level
        return self._named(found)

    def _targets(self, entity: Entity, kind: str) -> list[tuple[str, str]]:
        listed = self.api.get("/api/relations", {"fromId": entity.uuid, "fromType": entity.kind})
        if not isinstance(listed, list) or not all(
            isinstance(each, dict) and isinstance(each.get("to"), dict) for each in listed
        ):
            raise misshaped("/api/relations", "a list of relations", listed)
        ends = [each["to"] for each in listed if each.get("type") == kind and each["to"].get("entityType") in KINDS]
        return [(end["entityType"], uuid_of(end, "/api/relations")) for end in ends]

    def _target(self, pair: tuple[str, str]) -> Entity | None:
        kind, uuid = pair
        content = self.api.found(f"/api/{kind.lower()}/{uuid}")
        return None if content is None else entity_of(content, kind)

    def _named(self, entities: list[Entity]) -> list[Entity]:
        """Return them under ids that are unique, and remember those."""
        names = Counter(entity.name for entity in entities)
        twice = [name for name, count in names.items() if count > 1]
        named = [Entity(**{**vars(entity), "id": self.id_of(entity, twice)}) for entity in entities]
        self._known.update({entity.id: entity for entity in named})
        return named

    @staticmethod
    def id_of(entity: Entity, ambiguous: Iterable[str]) -> str:
        """Return how the twin calls a thing."""
        return f"{entity.kind.lower()}:{entity.name}" if entity.name in ambiguous else entity.name


def entity_of(content: Any, kind: str, called: str = "") -> Entity:
    where = f"/api/{kind.lower()}"
    if not isinstance(content, dict) or not isinstance(content.get("name"), str) or not content["name"]:
        raise misshaped(where, "an asset or device with a name", content)
    name = content["name"]
    information = content.get("additionalInfo")
    tags = information.get("tags") if isinstance(information, dict) else None
    label, profile = content.get("label"), content.get("type")
    return Entity(
        kind, uuid_of(content.get("id"), where), name, called or name, label if isinstance(label, str) else "",
        profile if isinstance(profile, str) else "",
        tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (), content,
    )  # fmt: skip
