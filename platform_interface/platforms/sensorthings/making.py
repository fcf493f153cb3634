"""Entities of the twin's own: made once, whatever befalls the request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from platform_interface.errors import PlatformError
from platform_interface.platforms.http import RefusedError
from platform_interface.platforms.sensorthings import words
from platform_interface.platforms.sensorthings.service import Id, Service, UnknownOutcomeError

#: Where the twin keeps what is its own, in the properties of a Thing or a Datastream.
TWIN = "twin"
#: A creation of unknown outcome is looked for, and tried again, at most this often.
ATTEMPTS = 5
MEASUREMENT = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
#: A battery has no place that the twin knows: an empty geometry, else, for servers that take none, a point that means nothing.
_NOWHERE = ({"type": "MultiPoint", "coordinates": []}, {"type": "Point", "coordinates": [0.0, 0.0]})
SENSOR = {"name": "Battery twin", "description": "Series that the battery twin brought in or computed",
           "encodingType": "text/html", "metadata": "https://www.ogc.org/standard/sensorthings/"}  # fmt: skip


class Maker:
    """Makes entities.

    Parameters
    ----------
    service : Service
        Where.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self._shared: dict[str, Id] = {}
        self._lock = threading.RLock()

    def forgotten(self, asset: str) -> None:
        """Look anew for what belongs to an asset."""
        with self._lock:
            self._shared.pop(f"FeaturesOfInterest/{feature_name(asset)}", None)

    def made_stream(self, thing: Id, asset: str, name: str, unit: str, own: Mapping[str, Any], sensor: Id, of_what: Id) -> None:
        """Make a Datastream of the twin's own."""
        body = {
            "name": name, "description": f"{name} of {asset}, kept by the battery twin",
            "observationType": MEASUREMENT, "unitOfMeasurement": words.stated(unit), "properties": {TWIN: dict(own)},
            "Thing": {"@iot.id": thing}, "Sensor": {"@iot.id": sensor}, "ObservedProperty": {"@iot.id": of_what},
        }  # fmt: skip
        path = self.service.path("Things", thing, "Datastreams")
        self.made("Datastreams", body, lambda: self.service.named(path, name))

    def shared(self, collection: str, body: Mapping[str, Any]) -> Id:
        """Return the id of an entity that all assets share, made where it is missing."""
        key = f"{collection}/{body['name']}"
        with self._lock:
            if key not in self._shared:
                self._shared[key] = self.made(
                    collection, body, lambda: self.service.named(f"/{collection}", body["name"]), True
                )
            return self._shared[key]

    def feature(self, asset: str) -> Id:
        """Return what the observations of an asset without a place are of."""
        body = {"name": feature_name(asset), "description": "The battery itself; its place is not known",
                "encodingType": "application/geo+json", "properties": {TWIN: {"made": True}}}  # fmt: skip
        try:
            return self.shared("FeaturesOfInterest", {**body, "feature": _NOWHERE[0]})
        except RefusedError:
            return self.shared("FeaturesOfInterest", {**body, "feature": _NOWHERE[1]})

    def made(
        self, collection: str, body: Mapping[str, Any], look: Callable[[], list[dict[str, Any]]], look_first: bool = False
    ) -> Id:
        """Make an entity and return its id; after a fault of unknown outcome, look before it is made again."""
        found = look() if look_first else []
        sure = False
        for attempt in range(ATTEMPTS):
            if found:
                break
            try:
                if not sure:
                    self.service.create(collection, body)
                sure = True
            except UnknownOutcomeError:
                if attempt + 1 == ATTEMPTS:
                    raise
            if attempt:
                self.service.http.budget.sleep(0.1 * 2**attempt)
            found = look()
        if not found:
            raise PlatformError(
                f"{self.service.http.address} made an entity '{body['name']}', but does not show it under {collection}"
            )
        return min((self.service.id_of(entity, collection) for entity in found), key=str)


def observed(stem: str, unit: str) -> dict[str, str]:
    """Return an ObservedProperty."""
    return {"name": stem, "definition": words.quantity_of(unit), "description": stem}


def feature_name(asset: str) -> str:
    """Return the name of the FeatureOfInterest that the twin makes for an asset."""
    return f"Battery {asset}"
