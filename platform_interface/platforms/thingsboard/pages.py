"""Finished pages on ThingsBoard: as a resource from 4.3 on, else as a link to where the folder of pages is published."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from platform_interface.log import LOGGER
from platform_interface.platforms.http import Answer, RefusedError
from platform_interface.platforms.thingsboard.api import Api, is_uuid, misshaped, uuid_of
from platform_interface.platforms.thingsboard.attributes import OURS, Attributes
from platform_interface.platforms.thingsboard.entities import Entity

PAGE = f"{OURS}page."
#: Answers of a platform that keeps no such resources, or not for this user.
_NOT_THERE = (400, 401, 403, 404, 405, 415)


@dataclass
class Pages:
    """Gives pages to people who use the platform.

    Parameters
    ----------
    published : str
        Address under which the folder of the pages is published; empty: nowhere.
    """

    api: Api
    attributes: Attributes
    published: str
    _uploads: bool = True
    _hinted: bool = field(default=False)

    def put(self, entity: Entity, name: str, page: Path) -> str:
        """Upload or link a page; return where it is."""
        key = PAGE + name
        place = self._uploaded(entity, key, name, page) if self._uploads else ""
        if not place and self.published:
            place = f"{self.published.rstrip('/')}/{quote(page.name)}"
            self.attributes.write(entity, {key: {"link": place}})
        if not place and not self._hinted:
            self._hinted = True
            LOGGER.info(
                "pages stay in their folder: this platform takes none (that needs ThingsBoard 4.3 and an administrator of the "
                "tenant). Publish the folder and set platform.pages_address, and they are linked"
            )
        return place

    def delete_all(self, entity: Entity) -> None:
        """Delete the pages of a thing."""
        names = [name for name in self.attributes.keys(entity) if name.startswith(PAGE)]
        for value in self.attributes.read(entity, names).values():
            if isinstance(value, dict) and is_uuid(str(value.get("id"))):
                try:
                    self.api.delete(f"/api/resource/{value['id']}")
                except RefusedError as error:
                    LOGGER.warning("a page of %s stays on the platform: %s", entity.id, error)
        self.attributes.delete(entity, names)

    def _uploaded(self, entity: Entity, key: str, name: str, page: Path) -> str:
        known = self.attributes.read(entity, [key]).get(key)
        if isinstance(known, dict) and is_uuid(str(known.get("id"))):
            try:
                self._send("PUT", f"/api/resource/{known['id']}/data", entity, name, page)
                return str(known.get("link", ""))
            except RefusedError as error:
                if error.status not in _NOT_THERE:
                    raise
        try:
            answer = self._send("POST", "/api/resource/upload", entity, name, page).json()
        except RefusedError as error:
            if error.status not in _NOT_THERE:
                raise
            self._uploads = False
            return ""
        if not isinstance(answer, dict):
            raise misshaped("/api/resource/upload", "a resource", answer)
        uuid = uuid_of(answer.get("id"), "/api/resource/upload")
        link = f"{self.api.http.address}/api/resource/{uuid}/download"
        self.attributes.write(entity, {key: {"id": uuid, "link": link}})
        return link

    def _send(self, method: str, path: str, entity: Entity, name: str, page: Path) -> Answer:
        file = {"file": (page.name, page.read_bytes(), "text/html")}
        form = {"title": f"{entity.name} {name}"[:255], "resourceType": "GENERAL", "descriptor": '{"mediaType":"text/html"}'}
        fields = {} if method == "PUT" else {word: (None, value) for word, value in form.items()}
        return self.api.http.request(method, path, files={**fields, **file}, again=method == "PUT")
