"""The contract for model authors and the registry of models.

Nothing heavy is imported here: a plugin that only declares itself costs nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from platform_interface.errors import ModelError, UsageError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Model", "ModelError", "ModelInput", "register_model", "registered"]


@dataclass(frozen=True)
class ModelInput(Mapping[str, Any]):
    """What a model is given for one window: a read-only mapping of logical names.

    Attributes
    ----------
    inputs : mapping
        ``Series``, ``DataFrame`` (array sensor; its columns are the site's own numbers, 82 for
        ``Cell Voltage|82``), ``float``, ``str`` or ``dict`` by logical name. An optional
        input that the asset does not have is not a key: ``data.get("soh")`` is ``None``.
    start, end : Timestamp
        The window, ``start <= t < end``, UTC.
    gaps : mapping
        By logical name, a ``DataFrame`` with the columns ``start`` and ``end``: intervals longer than
        ``max_gap`` without a sample. The first may begin before the window.
    max_gap : mapping
        By logical name, the longest interval that still counts as operation. [s]
    """

    inputs: Mapping[str, Any]
    start: pd.Timestamp
    end: pd.Timestamp
    gaps: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    max_gap: Mapping[str, float] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.inputs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.inputs)

    def __len__(self) -> int:
        return len(self.inputs)


class Model:
    """Base of every plugin's one class.

    Parameters
    ----------
    config : dict
        Validated configuration: manifest defaults, overridden by settings.

    Attributes
    ----------
    state : dict
        Carried from the window before; ``{}`` on the first. Strict JSON.
    """

    def __init__(self, config: dict[str, Any] | None = None) -> None:
        self.config: dict[str, Any] = dict(config or {})
        self.state: dict[str, Any] = {}
        self.notes: list[str] = []
        self.refusals: dict[str, str] = {}
        self.alarms: list[dict[str, Any]] = []

    def process(self, data: ModelInput) -> dict[str, Any]:
        """Compute one window; see `documentation/how-to/write-a-model.md`.

        Returns
        -------
        dict
            Logical output name of the manifest -> ``Series`` or ``DataFrame`` with times in the window.

        Raises
        ------
        ModelError
            The window cannot be computed: the reason and what would help.
        """
        raise NotImplementedError

    def migrate(self, state: dict[str, Any], version: int) -> dict[str, Any] | None:
        """Turn a state of an older ``state_version`` into today's; ``None`` asks for a full run."""
        del state, version
        return None

    def weights(self, name: str) -> bytes:
        """Return the content of an ONNX file in the plugin's folder, checked against the SHA-256 in the manifest.

        Give it to ``onnxruntime.InferenceSession`` as it is: what was checked is what is computed with.

        Parameters
        ----------
        name : str
            A file of the manifest's `weights`, such as ``weights.onnx``.

        Raises
        ------
        UsageError
            The manifest does not name it, or the file is not what the manifest states. The run reports a failure.
        """
        from platform_interface.manifest import read_manifest
        from platform_interface.weights import read_weights

        folder = Path(sys.modules[type(self).__module__].__file__ or "").parent
        return read_weights(folder, name, read_manifest(folder).weights)

    def note(self, text: str) -> None:
        """Put a warning into the run report."""
        self.notes.append(text)

    def refuse(self, output: str, reason: str) -> None:
        """Say that one output is not computable in this window: the reason and the cheapest remedy."""
        self.refusals[output] = reason

    def alarm(
        self, name: str, start: pd.Timestamp, text: str, severity: str = "warning", end: pd.Timestamp | None = None
    ) -> None:
        """Raise an alarm, or clear the one with this name and start by giving its end.

        Parameters
        ----------
        name : str
            What is wrong, the same word every time: ``"cell 5 undervoltage"``.
        start, end : Timestamp
            When it became wrong, and right again. An end lies in the window; an open alarm is carried in `state`.
        text : str
            For people: the value with unit, and what to do.
        severity : str
            ``info``, ``warning`` or ``critical``.
        """
        self.alarms.append({"name": name, "start": start, "end": end, "text": text, "severity": severity})


_REGISTRY: dict[str, type[Any]] = {}
_Class = TypeVar("_Class", bound=type[Any])


def register_model(name: str, metadata: Mapping[str, Any] | None = None) -> Callable[[_Class], _Class]:
    """Register the decorated class as the model of the folder `name`.

    Parameters
    ----------
    name : str
        The plugin folder's name.
    metadata : mapping, optional
        Accepted for the vendor's boilerplate; the manifest is what counts.
    """
    del metadata

    def decorate(cls: _Class) -> _Class:
        _REGISTRY[name] = cls
        return cls

    return decorate


def registered(name: str) -> type[Model]:
    """Return the class registered under `name`.

    Raises
    ------
    UsageError
        No class, or a class under another name, was registered by the folder.
    """
    if name not in _REGISTRY:
        raise UsageError(
            f"models/{name}: no class is registered as '{name}'. "
            f"Put @register_model(\"{name}\") above the model's class; the name must be the folder's."
        )
    return _REGISTRY[name]
