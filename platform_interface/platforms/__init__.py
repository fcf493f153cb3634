"""Connectors: each is one door to a platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

from platform_interface.errors import UsageError
from platform_interface.launch import Launch
from platform_interface.settings import Settings
from platform_interface.spelling import did_you_mean

if TYPE_CHECKING:
    from platform_interface.platforms.base import Platform

CONNECTORS = ("local",)


def connect(launch: Launch, settings: Settings) -> Platform:
    """Open the door that the settings name.

    Raises
    ------
    UsageError
        There is no such connector.
    """
    word = settings.platform.connector
    if word != "local":
        raise UsageError(
            "settings.json", [f"parameters.platform.connector: '{word}' is not a connector{did_you_mean(word, CONNECTORS)}"]
        )
    from platform_interface.platforms.local import LocalPlatform

    del launch  # the embedded platform needs neither address nor key
    return LocalPlatform(settings.folder(settings.platform.store))
