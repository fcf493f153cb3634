"""How a run is launched: one JSON object, inline or in a file, with secrets by environment."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from platform_interface.errors import UsageError
from platform_interface.log import LOGGER, add_secret
from platform_interface.spelling import faults_of
from platform_interface.strict_json import parse

_VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")
#: The vendor's names of the same keys.
VENDOR_NAMES = {
    "altergoProgramTaskId": "programTaskId",
    "altergoUserApiKey": "userApiKey",
    "altergoFactoryApi": "factoryApi",
    "altergoIotApi": "iotApi",
}


class Launch(BaseModel):
    """The arguments of one run; each also under its vendor name."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    programTaskId: str = Field("dev", description="Identifier of this execution on the platform.")
    userApiKey: str = Field("", repr=False, description='Key of the user, or "env:NAME" or "file:PATH".')
    userName: str = Field("", description="User of a platform that takes no key; with userPassword.")
    userPassword: str = Field("", repr=False, description='Password, or "env:NAME" or "file:PATH".')
    factoryApi: str = Field("", description="Base address of the platform's asset service.")
    iotApi: str = Field("", description="Base address of the platform's series service.")
    assetId: str = Field("", description="The asset to compute.")
    assetIds: list[str] = Field(default_factory=list, description="Several assets.")
    assetTag: str = Field("", description="All assets that carry this tag.")
    demoFleet: bool = Field(False, description="Put the demo fleet into the embedded platform first, where it is missing.")
    configurationValues: dict[str, Any] = Field(
        default_factory=dict, description="Shaped like `parameters` of settings.json; wins over it."
    )
    inline: bool = Field(False, exclude=True, description="Set on reading: launched by a platform's scheduler.")

    @property
    def asset_ids(self) -> list[str]:
        """Every asset named, each once, in the order given."""
        return list(dict.fromkeys([*([self.assetId] if self.assetId else []), *self.assetIds]))


def begins_json(argument: str) -> bool:
    """Whether an argument is inline JSON, or was meant to be: a shell may have eaten its quotes."""
    text = argument.strip("\ufeff \t\r\n'\"")
    return text.startswith(("{", "[")) or text.endswith("}")


def is_launch_argument(argument: str) -> bool:
    """Whether an argument is a launch, to be taken before the command parser sees it.

    The parser would echo what it cannot read, and with it the key.
    """
    return begins_json(argument) or argument.endswith(".json") or os.path.isfile(argument)


def read_launch(argument: str | None) -> Launch:
    """Read the launch from inline JSON or from a file; `None` is an empty one.

    Raises
    ------
    UsageError
        Not JSON, unknown keys, an unset environment variable. The text never shows a value.
    """
    if argument is None:
        return Launch.model_validate({})
    inline = not os.path.isfile(argument) and not argument.endswith(".json")
    where = "the launch argument" if inline else argument
    content = _parse(argument, inline, where)
    merged: dict[str, Any] = {}
    faults = []
    for key, value in content.items():
        name = VENDOR_NAMES.get(key, key)
        if inline and key.startswith("altergo") and key not in VENDOR_NAMES:
            LOGGER.debug("the launch holds '%s', which is not used", key)
            continue
        if name in merged:
            vendor = next(word for word, ours in VENDOR_NAMES.items() if ours == name)
            faults.append(f"{name}: is given twice, also as '{vendor}'")
        merged[name] = value
    _resolve_secrets(merged, faults)
    try:
        launch = Launch.model_validate({key: value for key, value in merged.items() if key != "inline"})
    except ValidationError as error:
        raise UsageError(where, faults + _without_secrets(error)) from None
    if faults:
        raise UsageError(where, faults)
    return launch.model_copy(update={"inline": inline})


def _parse(argument: str, inline: bool, where: str) -> dict[str, Any]:
    try:
        text = argument if inline else Path(argument).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UsageError(
            f"{argument} does not exist (looked in {Path.cwd()}). Copy dev-parameters.example.json to begin with."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{argument} cannot be read: {type(error).__name__}") from None
    try:
        content = parse(text)
    except ValueError as error:
        hint = " Put it in single quotes, so that the shell keeps the double ones." if inline else ""
        raise UsageError(f"{where} is not JSON: {error}.{hint}") from None
    if _too_deep(content):
        raise UsageError(f"{where} is not usable JSON: it is nested too deeply")
    if not isinstance(content, dict):
        raise UsageError(f"{where} must be one JSON object, not a {type(content).__name__}")
    return content


def _too_deep(content: Any, limit: int = 64) -> bool:
    level = [content]
    for _ in range(limit):
        level = [
            item for value in level if isinstance(value, (dict, list))
            for item in (value.values() if isinstance(value, dict) else value)
        ]  # fmt: skip
    return bool(level)


def _resolve_secrets(merged: dict[str, Any], faults: list[str]) -> None:
    for field in ("userApiKey", "userPassword"):
        given = merged.get(field)
        if not isinstance(given, str):
            continue
        try:
            merged[field] = secret_of(given)
        except UsageError as error:
            faults.append(f"{field}: {error}")
            merged[field] = ""
        add_secret(merged[field])


def secret_of(given: str) -> str:
    """Return a secret given as itself, as ``env:NAME`` or as ``file:PATH``.

    Raises
    ------
    UsageError
        The variable is not set, or the file cannot be read or is empty. The text shows no value.
    """
    if given.startswith("env:"):
        name = given.removeprefix("env:")
        value = os.environ.get(name)
        if not value:
            shown = name if _VARIABLE.fullmatch(name) else "that it names"  # somebody may have written the key itself there
            raise UsageError(f"the environment variable {shown} is not set; set it, or write the key here")
        return value
    if given.startswith("file:"):
        try:
            path = Path(given.removeprefix("file:")).expanduser()
            value = path.read_text(encoding="utf-8").strip()
            if os.name == "posix" and path.stat().st_mode & 0o004:
                LOGGER.warning("the key file %s can be read by others on this machine; chmod 600 or 440 keeps it yours", path)
        except (OSError, UnicodeDecodeError, ValueError, RuntimeError) as error:
            raise UsageError(f"the file that it names cannot be read: {type(error).__name__}") from None
        if not value:
            raise UsageError("the file that it names is empty")
        return value
    return given


def _without_secrets(error: ValidationError) -> list[str]:
    """Faults with no value: a key may stand under a misspelled name."""
    return [fault.split(" (got ")[0] for fault in faults_of(error, Launch)]


def program_folder() -> Path:
    """Return the folder of `entrypoint.py`, which holds `settings.json` and `models/`."""
    return Path(__file__).resolve().parent.parent
