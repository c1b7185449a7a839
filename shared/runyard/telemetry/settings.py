"""What the environment asks for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from runyard.errors import ConfigError

SETTING: Final = "RUNYARD_TELEMETRY"
CONNECTION: Final = "APPLICATIONINSIGHTS_CONNECTION_STRING"
ENDPOINTS: Final = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
)
"""https://opentelemetry.io/docs/specs/otel/protocol/exporter/"""
SIGNALS: Final = ("traces", "metrics", "logs")

_WORDS: Final[Mapping[str, tuple[str, ...] | None]] = {
    "": None,
    "auto": None,
    "off": (),
    "otlp": ("otlp",),
    "azure": ("azure",),
}
_DISABLED: Final = "OTEL_SDK_DISABLED"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where telemetry goes; nowhere if there is no exporter or no signal."""

    exporters: tuple[str, ...] = ()
    """``otlp``, ``azure``, or both."""
    signals: tuple[str, ...] = SIGNALS

    def __bool__(self) -> bool:
        return bool(self.exporters and self.signals)


def wanted(environ: Mapping[str, str]) -> Wanted:
    """What is asked for: by ``RUNYARD_TELEMETRY``; without it, by the settings that name a receiver. By default, nothing.

    Raises:
        ConfigError: if ``RUNYARD_TELEMETRY`` is none of its words, or asks for Application Insights without saying which.
    """
    word = environ.get(SETTING, "").strip().lower()
    if word not in _WORDS:
        raise ConfigError(f"{SETTING} is {word[:30]!r}; it is off, otlp, azure, or auto (by the settings of receivers)")
    if environ.get(_DISABLED, "").strip().lower() == "true":
        return Wanted()
    exporters = _WORDS[word]
    if exporters is None:
        named = any(environ.get(name) for name in ENDPOINTS)
        exporters = (("otlp",) if named else ()) + (("azure",) if environ.get(CONNECTION) else ())
    elif "azure" in exporters and not environ.get(CONNECTION):
        raise ConfigError(f"{SETTING} is azure, and {CONNECTION} is not set; set it, or {SETTING}=off")
    signals = tuple(each for each in SIGNALS if environ.get(f"OTEL_{each.upper()}_EXPORTER", "").strip() != "none")
    return Wanted(exporters=exporters, signals=signals)
