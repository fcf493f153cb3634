"""Connectors: each is one door to a platform."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from platform_interface.errors import UsageError
from platform_interface.launch import Launch, program_folder
from platform_interface.settings import Settings
from platform_interface.spelling import did_you_mean

if TYPE_CHECKING:
    from platform_interface.platforms.base import Platform

#: Class of each connector, by its word in the settings.
CONNECTORS = {
    "local": "platform_interface.platforms.local:LocalPlatform",
    "thingsboard": "platform_interface.platforms.thingsboard:ThingsBoard",
    "sensorthings": "platform_interface.platforms.sensorthings:SensorThings",
}
_WHERE = "parameters.platform.connector"


def connect(launch: Launch, settings: Settings) -> Platform:
    """Open the door that the settings name.

    Raises
    ------
    UsageError
        There is no such connector, or it cannot be imported.
    PlatformError
        The platform cannot be reached, or does not let us in.
    """
    word = settings.platform.connector
    if word in CONNECTORS:
        opened: Platform = _class_of(CONNECTORS[word]).open(launch, settings)
        return opened
    if ":" not in word:
        raise UsageError(
            "settings.json",
            [f"{_WHERE}: '{word}' is neither a connector nor module:Class of your own{did_you_mean(word, CONNECTORS)}"],
        )
    if str(program_folder()) not in sys.path:
        sys.path.insert(0, str(program_folder()))
    found: Platform = _class_of(word).open(launch, settings)
    return found


def _class_of(word: str) -> Any:
    module, _, name = word.partition(":")
    try:
        cls: Callable[..., Any] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError("settings.json", [f"{_WHERE}: '{word}' cannot be imported: {error}"]) from None
    if not hasattr(cls, "open"):
        raise UsageError("settings.json", [f"{_WHERE}: '{word}' has no open(launch, settings); see platforms/base.py"])
    return cls
