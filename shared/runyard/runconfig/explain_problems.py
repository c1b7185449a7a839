"""All that is wrong with a run configuration, not only the first: as the reader, the submission and the run would say it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from runyard.errors import RunyardError
from runyard.runconfig.bodies import unwrap
from runyard.runconfig.convert import fold
from runyard.runconfig.folded import put
from runyard.runconfig.job import job_spec, unsupported
from runyard.runconfig.meaning import Meaning
from runyard.runconfig.model import RunConfiguration
from runyard.runconfig.own_options import Requirements, RunyardOptions
from runyard.runconfig.read import Files, from_document
from runyard.runconfig.tables import Key, table_of
from runyard.runconfig.workbench import is_workbench
from runyard.runconfig.yaml12 import Map

_MOST_TRIES: Final = 2_000
"""Parts of a file that are read by themselves to find what is wrong with it."""
_MOST_FAULTS: Final = 50

_OURS: Final = (RunyardOptions, Requirements)

_PLACEHOLDERS: Final = (
    (re.compile(r"\$\{?AZUREML_DATAREFERENCE_(\w+)\}?"), "dataReferences", "data_references"),
    (re.compile(r"\bDatasetConsumptionConfig:([\w.-]+)"), "data", "data"),
    (re.compile(r"\bDatasetOutputConfig:([\w.-]+)"), "outputData", "output_data"),
)
"""What the launcher replaced in arguments, and the section that names it."""


_KEY: Final = re.compile(r"`?([A-Za-z][A-Za-z.]*)`? ")
"""The key that a sentence begins with."""


@dataclass(frozen=True)
class _Shape:
    """What a mapping holds: the keys of a section, else names with values."""

    section: type | None
    of_names: type | None = None
    """The section under each name."""

    def below(self, known: Key | None) -> _Shape | None:
        """What a mapping under one of its keys holds; ``None`` where it is a value as a whole."""
        if self.section is None:
            return None if self.of_names is None else _Shape(self.of_names)
        if known is None or known.many == "list":
            return None
        if known.many:
            return _Shape(None, known.section)
        return _Shape(known.section) if known.section is not None else _Shape(None)


@dataclass
class _Sieve:
    """Parts a mapping into what can be read and what cannot."""

    read: Callable[[Map], object]
    """Reads a whole document; raises what is wrong with it."""
    faults: list[str] = field(default_factory=list)
    tries: int = 0

    def good(self, document: Mapping[str, Any], shape: _Shape, wrap: Callable[[Map], Map]) -> Map:
        """What of a mapping can be read, key by key; what cannot is noted."""
        table = table_of(shape.section) if shape.section is not None else {}
        result = Map()
        for key, value in document.items():
            known = table.get(key) or table.get(fold(key))
            single = _single(document, key, value)
            if shape.section is not None and known is None and shape.section not in _OURS:
                _take(result, single)  # nobody reads it
                continue
            fault = self._fault(wrap(single))
            if fault is None:
                _take(result, single)
                continue
            inner = shape.below(known)
            if inner is not None and isinstance(value, dict) and value:
                single = _single(document, key, self.good(value, inner, _within(document, key, wrap)))
                if self._fault(wrap(single)) is None:
                    _take(result, single)
            elif fault not in self.faults:
                self.faults.append(fault)
        return result

    def _fault(self, document: Map) -> str | None:
        self.tries += 1
        if self.tries > _MOST_TRIES or len(self.faults) >= _MOST_FAULTS:
            return None
        try:
            self.read(document)
        except RunyardError as error:
            return error.message
        return None


def sift(document: object, name: str, files: Files | None) -> tuple[RunConfiguration | None, list[str]]:
    """Read a run configuration as far as it can be read.

    Returns:
        It, without the keys that cannot be read, or ``None`` if nothing can be; and what is wrong, one sentence each.
    """
    try:
        return from_document(document, name, files=files), []
    except RunyardError as error:
        first = error.message
    try:
        body, _ = unwrap(document, name)
    except RunyardError:
        return None, [first]
    if is_workbench(body):
        return None, [first]
    sieve = _Sieve(lambda part: from_document(part, name, files=files))
    good = sieve.good(body, _Shape(RunConfiguration), lambda part: part)
    if len(sieve.faults) >= _MOST_FAULTS:
        return None, [*sieve.faults, f"{name}: there is more; only the first {_MOST_FAULTS} are listed"]
    try:
        config = from_document(good, name, files=files)
    except RunyardError as error:
        return None, list(dict.fromkeys([*sieve.faults, error.message]))
    return config, sieve.faults or [first]


def refusals(config: RunConfiguration, meant: Meaning) -> Iterator[str]:
    """Why a submission of it would be refused, each reason in the sentence that it would give."""
    for sentence in unsupported(config, meant):
        key = _KEY.match(sentence)
        yield f"{at_line(config, key[1] if key else '')}: {sentence}"
    for part in _parts(config):
        part.source = config.source
        part.environment.python.user_managed_dependencies = True
        try:
            job_spec(part, "")
        except RunyardError as error:
            yield error.message


def at_line(config: RunConfiguration, key: str) -> str:
    """The file, and the line of a key where the file has it."""
    document: object = config.document
    line = 0
    for part in key.split("."):
        if not isinstance(document, dict):
            return config.source  # in another file
        spelled = next((name for name in document if fold(name) == fold(part)), None)
        if spelled is None:
            return config.source
        line = _line(document, spelled)
        document = document[spelled]
    return f"{config.source}, line {line}" if line else config.source


def _parts(config: RunConfiguration) -> Iterator[RunConfiguration]:
    """Run configurations that share one thing each with the given one, and can be run but for that."""
    if not config.command:
        yield RunConfiguration(script=config.script)
    yield RunConfiguration(arguments=config.arguments)
    for directory in config.history.directories_to_watch:
        part = RunConfiguration()
        part.history.directories_to_watch = [directory]
        yield part
    for variables in (config.environment.environment_variables, config.environment_variables):
        yield RunConfiguration(environment_variables=variables)
    for variable, name in config.runyard.secrets.items():
        part = RunConfiguration()
        part.runyard.secrets = {variable: name}
        yield part


def idle_placeholders(config: RunConfiguration) -> Iterator[str]:
    """Placeholders in the arguments that no data of the run configuration answers to."""
    for index, argument in enumerate(config.arguments):
        for pattern, key, attribute in _PLACEHOLDERS:
            known = getattr(config, attribute)
            for name in pattern.findall(argument):
                if name not in known:
                    there = f"it has {', '.join(sorted(known)[:8])}" if known else "it has none"
                    yield (
                        f"{at_line(config, 'arguments')}: arguments[{index}] asks for {name[:60]!r} of `{key}`, and {there}; the script would get "
                        "the placeholder itself"
                    )


def _single(document: Mapping[str, Any], key: str, value: object) -> Map:
    """A mapping of one key, with what is remembered of it."""
    single = Map()
    put(single, key, value, _line(document, key))
    if isinstance(document, Map) and key in document.written:
        single.written[key] = document.written[key]
    return single


def _take(into: Map, single: Map) -> None:
    into.update(single)
    into.lines.update(single.lines)
    into.written.update(single.written)


def _within(document: Mapping[str, Any], key: str, wrap: Callable[[Map], Map]) -> Callable[[Map], Map]:
    return lambda part: wrap(_single(document, key, part))


def _line(document: Mapping[str, Any], key: str) -> int:
    return document.lines.get(key, 0) if isinstance(document, Map) else 0
