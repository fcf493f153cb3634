"""The connector to OGC SensorThings 1.1: a Thing is an asset, a Datastream is a series."""

from platform_interface.platforms.sensorthings.connector import SensorThings

__all__ = ["SensorThings"]
