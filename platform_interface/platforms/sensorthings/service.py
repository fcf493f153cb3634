"""The service of a SensorThings server: paths, ids, pages, conformance. Liberal in what it reads, strict in what it sends."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from platform_interface.errors import PlatformError
from platform_interface.platforms.http import Answer, Http, RefusedError
from platform_interface.platforms.sensorthings.paging import Page, Progress, page_of

Id = int | str
Query = Mapping[str, str]

#: Most entities that are asked for at a time; a server that takes less says so.
MOST_ENTITIES = 100
#: A question whose answer is cut off is asked again, at most this often.
ATTEMPTS = 10
#: A collection that comes incomplete is asked for again, at most this often.
REPEATS = 3
#: Answers that may mean: not so many at a time.
TOO_MANY = frozenset({400, 413, 422})
#: Answers that may mean: this option of a query is not known here.
UNKNOWN_OPTION = frozenset({400, 404, 422, 500, 501})
QUOTE = "'"
_IN_BRACKETS = re.compile(r"\((.*)\)$", re.DOTALL)


class Service:
    """Requests in the terms of SensorThings.

    Parameters
    ----------
    http : Http
        The way to the server.
    most_values : int
        Most rows of a data array that are asked for at a time.
    """

    def __init__(self, http: Http, most_values: int) -> None:
        self.http = http
        self.sets: frozenset[str] = frozenset()
        self.has_data_arrays = True
        self._quoted: bool | None = None
        self._most = {True: most_values, False: MOST_ENTITIES}
        self.can: dict[str, bool] = {}

    def open(self) -> None:
        """Read the service root.

        Raises
        ------
        PlatformError
            This is no SensorThings service.
        """
        answer = self.http.request("GET", "/")
        root = answer.json()
        value = root.get("value") if isinstance(root, dict) else None
        names = [item.get("name") for item in value if isinstance(item, dict)] if isinstance(value, list) else []
        if not {"Things", "Datastreams", "Observations"} <= {name for name in names if isinstance(name, str)}:
            raise PlatformError(
                f"{answer.where} is not the root of a SensorThings service (it lists no Things, Datastreams and Observations). "
                "Give the address with its version: https://host/FROST-Server/v1.1"
            )
        self.sets = frozenset(str(name) for name in names)
        settings = root.get("serverSettings")
        conformance = settings.get("conformance") if isinstance(settings, dict) else None
        if isinstance(conformance, list):
            self.has_data_arrays = any("data-array" in str(item) for item in conformance)
        else:  # 1.0 has no such list
            query = {"$top": "1", "$resultFormat": "dataArray"}
            self.has_data_arrays = self.optional("/Observations", query, "answer with data arrays") is not None

    def key(self, ident: Id) -> str:
        """Return an id as it stands in a path: ``(1)``, ``('a')``, or bare where the server writes words bare."""
        if isinstance(ident, int) or self._quoted is False:
            return f"({quote(str(ident), safe='')})"
        return f"({quote(word(ident), safe=QUOTE)})"

    def id_of(self, entity: Mapping[str, Any], where: str) -> Id:
        """Return the id of an entity; learn from its link how ids are written.

        Raises
        ------
        PlatformError
            It has none.
        """
        ident = entity.get("@iot.id", entity.get("id"))
        if isinstance(ident, bool) or not isinstance(ident, (int, str)) or ident == "":
            raise PlatformError(f"{where} answered with an entity without an @iot.id; nothing was used")
        link = entity.get("@iot.selfLink")
        if isinstance(ident, str) and self._quoted is None and isinstance(link, str):
            inside = _IN_BRACKETS.search(link)
            if inside is not None and inside.group(1) in (ident, f"'{ident}'"):
                self._quoted = inside.group(1) != ident
        found: Id = ident
        return found

    def path(self, collection: str, ident: Id, *further: str) -> str:
        """Return the path of an entity, or of what belongs to it."""
        return "/".join([f"/{collection}{self.key(ident)}", *further])

    def get(self, path: str, query: Query | None = None, again: bool = True) -> Answer:
        """Ask for a path."""
        return self.http.request("GET", path + _encoded(query or {}), again=again)

    def entity(self, path: str) -> dict[str, Any] | None:
        """Return one entity, ``None`` where it is not there."""
        try:
            answer = self.get(path)
        except RefusedError as error:
            if error.status in (404, 410):
                return None
            raise
        found = answer.json()
        if not isinstance(found, dict):
            raise PlatformError(f"{answer.where} answered with a {type(found).__name__} where an entity is expected")
        return found

    def entities(self, path: str, query: Query | None = None) -> list[dict[str, Any]]:
        """Return every entity of a collection, each once.

        Raises
        ------
        PlatformError
            There are more than the pages show: a server that pages without an order shows some twice and others never.
        """
        asked = dict(query or {})
        asked.update({} if "$top" in asked else {"$count": "true"})
        count, where = 0, ""
        found: dict[Id, dict[str, Any]] = {}
        for _ in range(REPEATS):
            progress = Progress()
            for page in self.pages(path, asked):
                for entity in page.value:
                    found.setdefault(self.id_of(entity, page.where), entity)
                progress.check(len(found), page.where)
                count, where = page.count or 0, page.where
            if len(found) >= count or "$top" in asked:
                return list(found.values())
        raise PlatformError(
            f"{where} says that it has {count} entities, but its pages hold only {len(found)} different ones; nothing was used"
        )

    def named(self, path: str, name: str) -> list[dict[str, Any]]:
        """Return the entities of a collection with exactly this name, whatever the server takes for equal."""
        return [one for one in self.entities(path, {"$filter": f"name eq {word(name)}"}) if one.get("name") == name]

    def read_page(self, answer: Answer) -> Page:
        """Return one answer as a page."""
        return page_of(answer.json(), answer.where)

    def pages(self, path: str, query: Query, arrays: bool = False) -> Iterator[Page]:
        """Give page after page of a collection, by the query of its next link: the request stays on this host.

        Raises
        ------
        PlatformError
            The pages lead in a circle, or are not what the standard says.
        """
        answer = self._first_page(path, query, arrays)
        asked: set[str] = set()
        empty = 0
        while True:
            content = answer.json()
            page = page_of(content, answer.where)
            yield page
            link = content.get("@iot.nextLink")
            empty = 0 if page.value else empty + 1
            if link is None or empty > 1:  # one empty page may stand before others, where rights hide what was on it
                return
            if not isinstance(link, str):
                raise PlatformError(f"{answer.where} answered with a next link that is a {type(link).__name__}")
            following = _encoded(dict(parse_qsl(urlsplit(link).query, keep_blank_values=True)))
            if following in asked or not following:
                raise PlatformError(f"{answer.where}: its pages lead in a circle (next link {link[:120]!r}); nothing was used")
            asked.add(following)
            answer = self.http.request("GET", path + following)

    def _first_page(self, path: str, query: Query, arrays: bool) -> Answer:
        """Ask for the first page, for as many as the server gives at a time."""
        if "$top" in query:
            return self.get(path, query)
        most = self._most[arrays]
        while True:
            try:
                answer = self.get(path, {**query, "$top": str(most)})
            except RefusedError as error:
                if error.status not in TOO_MANY or most == 1:
                    raise
                most = max(1, most // 10)
                continue
            self._most[arrays] = most
            return answer

    def optional(self, path: str, query: Query, option: str) -> Answer | None:
        """Ask with an option that a server may lack; ``None`` when it does. It is tried once."""
        if self.can.get(option) is False:
            return None
        if self.can.get(option):
            return self.get(path, query)
        for attempt in range(ATTEMPTS):
            try:
                answer = self.get(path, query, again=False)
            except RefusedError as error:
                if error.status not in UNKNOWN_OPTION:
                    raise
                if error.status < 500 or attempt > 1:
                    break
            except PlatformError:  # cut off on the way
                if attempt + 1 == ATTEMPTS or self.http.budget.left() <= 0:
                    raise
            else:
                self.can[option] = True
                return answer
            self.http.budget.sleep(0.05)
        self.can[option] = False
        return None

    def create(self, collection: str, body: Mapping[str, Any]) -> None:
        """Make an entity. Asking twice would make two: after a fault of unknown outcome, look first.

        Raises
        ------
        UnknownOutcomeError
            The entity may be there, or not.
        """
        self.post(f"/{collection}", body)

    def post(self, path: str, body: Any) -> Answer:
        """Send what must not be sent twice."""
        try:
            return self.http.request("POST", path, content=body, again=False)
        except RefusedError as error:
            if error.status >= 500:
                raise UnknownOutcomeError(str(error)) from None
            raise
        except PlatformError as error:
            raise UnknownOutcomeError(str(error)) from None

    def patch(self, path: str, body: Mapping[str, Any]) -> None:
        """Change an entity; what is given replaces what was there, so asking twice does no harm."""
        self.http.request("PATCH", path, content=body)

    def delete(self, path: str) -> None:
        """Delete an entity; one that is gone already is fine."""
        try:
            self.http.request("DELETE", path)
        except RefusedError as error:
            if error.status not in (404, 410):
                raise


class UnknownOutcomeError(PlatformError):
    """Something was sent, and nobody knows whether it was carried out."""


def word(text: str) -> str:
    """Return a text as a word of an OData filter."""
    return "'" + text.replace("'", "''") + "'"


def _encoded(query: Query) -> str:
    return "?" + urlencode(query, quote_via=quote, safe="$,:/()'") if query else ""
