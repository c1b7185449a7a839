"""Run configurations of Azure ML Workbench (2017 and 2018) in the layout of today.

They have ``ArgumentVector``: the script, then its arguments. What the SDK says under ``environment`` was spread over a
``.compute`` file (see :mod:`runyard.runconfig.compute_file`) and ``spark_dependencies.yml``. Keys and defaults are those of
Workbench's documentation ("Execution Configuration Files") and of what its projects published, in YAML and in JSON; the
SDK's own reader of them never worked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from runyard.runconfig import convert
from runyard.runconfig.compute_file import ComputeFile, as_settings, from_mapping, notes_on, parse_compute_file
from runyard.runconfig.folded import Folded, beneath, mapping, put
from runyard.runconfig.model import RunConfiguration
from runyard.runconfig.paths import inside
from runyard.runconfig.yaml12 import Map, Seq, load

Files = Callable[[str], bytes | None]
"""Gives the content of a file by its path in the snapshot, or ``None`` if there is none."""

SELECTED: Final = "$file"
"""Stands for the file that was open in Workbench."""

TARGET_DETAILS: Final = "TargetDetails"
"""The key under which a submission body's ``.compute`` file comes along; it counts instead of the snapshot's."""

_FOLDER: Final = "aml_config"
_CONDA_FILE: Final = f"{_FOLDER}/conda_dependencies.yml"
_SPARK_FILE: Final = f"{_FOLDER}/spark_dependencies.yml"
"""What a null path means."""

_EXAMPLE: Final = ("EXAMPLE_ENV_VAR", "Example Value")
"""Workbench's templates have this pair."""

_DATA_SOURCES: Final = ("UseSampling", "DataSourceSettings", "DataSourceSubstitutions")
_WORD: Final = re.compile(r"""(?:[^ \t\r\n"']++|"[^"]*"|'[^']*')++""")
_QUOTED: Final = re.compile(r"""\"([^"]*)"|'([^']*)'""")
_QUOTE: Final = re.compile(r"[\"']")
_IN_DOCKER: Final = frozenset({"docker", "localdocker"})

KEYS: Final = (
    "ArgumentVector",
    "Target",
    "EnvironmentVariables",
    "Framework",
    "CondaDependenciesFile",
    "CondaFile",
    "SparkDependenciesFile",
    "PrepareEnvironment",
    "ManagedEnvironment",
    "TrackedRun",
    "Description",
    *_DATA_SOURCES,
)
"""The keys of such a file."""

_HINTS: Final = 20
"""Unknown keys that are compared with the known ones; a hostile file may have thousands."""

_TODAY: Final = frozenset(convert.fold(item.name) for item in fields(RunConfiguration))
"""The keys of today's layout."""


def is_workbench(document: Mapping[str, object]) -> bool:
    """Whether a run configuration is one of Workbench: it has ``ArgumentVector``, in any spelling.

    Keys in TitleCase alone say nothing: the service writes today's layout so.
    """
    whole = convert.merged(document) if isinstance(document, dict) and "<<" in document else document
    return any(convert.fold(key) == "argumentvector" for key in whole)


def modernise(document: dict[str, Any], name: str, files: Files | None) -> tuple[Map, list[str]]:
    """The same wishes in the layout of today, each with the line that it comes from.

    Keys of today's layout that are there too are kept, and win.

    Args:
        document: The run configuration.
        name: How errors call it; where it is a path, the ``.compute`` file is looked for beside it first.
        files: Gives other files of the snapshot.

    Returns:
        The run configuration, and notes: one sentence each on what was assumed and what has no counterpart.

    Raises:
        RunconfigError: naming the file, the line and the key, what was found and what is allowed.
    """
    return _Translation(Folded(document, name), name, files or _no_file).run()


def _no_file(_path: str) -> None:
    return None


@dataclass
class _Translation:
    """The translation of one file."""

    keys: Folded
    name: str
    files: Callable[[str], bytes | None]
    notes: list[str] = field(default_factory=list)

    def run(self) -> tuple[Map, list[str]]:
        script, arguments = self._script()
        line = self._line("ArgumentVector")
        target, compute = self._target()
        framework = self._framework()
        spark, configuration = self._spark(framework)
        tracked = self.keys.take(convert.boolean, "TrackedRun")
        prepare = self.keys.take(convert.boolean, "PrepareEnvironment")
        environment = self._environment(compute, spark)
        result = Map()
        put(result, "script", script, line)  # even if it is None: a file without the key would have the SDK's default
        result = beneath(
            result,
            mapping(
                [
                    ("arguments", arguments, line),
                    ("target", target, self._line("Target")),
                    ("framework", framework, self._line("Framework")),
                    ("autoPrepareEnvironment", prepare is not False, self._line("PrepareEnvironment")),
                    ("environment", environment, 0),
                    ("history", mapping([("outputCollection", tracked, self._line("TrackedRun"))]) or None, 0),
                    ("spark", mapping([("configuration", configuration, 0)]) or None, 0),
                ]
            ),
        )
        return beneath(self._rest(), beneath(result, as_settings(compute))), self.notes

    def _line(self, *keys: str) -> int:
        return self.keys.line(self.keys.spelled(*keys))

    def _note(self, what: str) -> None:
        self.notes.append(f"{self.name}: {what}")

    def _script(self) -> tuple[str | None, Seq]:
        """The script, or ``None`` if it was what was open in Workbench; and its arguments, each as it was written."""
        key = self.keys.spelled("ArgumentVector") or "ArgumentVector"
        value = self.keys.value("ArgumentVector")
        if isinstance(value, str):
            words = self._split(key, self.keys.take(convert.text, "ArgumentVector") or "")
        else:
            words = self.keys.take(_vector, "ArgumentVector") or []
        arguments = Seq()
        arguments += words[1:]
        if SELECTED in words[1:]:
            self._note(f"{SELECTED} is only known as the first item of {key}; as an argument it stays as it is")
        if not words or words[0] == SELECTED:
            self._note(f"{key} leaves the script to be chosen; name it in the event or with `--script`")
            return None, arguments
        return self._path(key, words[0], "[0]" if isinstance(value, list) else ""), arguments

    def _split(self, key: str, value: str) -> list[str]:
        # As a shell splits, but neither `#` nor a path's `\\` means anything special.
        if _QUOTE.search(_WORD.sub("", value)):
            raise self.keys.error(key, "is a text with a quotation mark that is not closed; write it as a list")
        words = [_QUOTED.sub(r"\1\2", word) for word in _WORD.findall(value)]
        if words:
            self._note(f"{key} is one text; it is split into words at its spaces")
        return words

    def _target(self) -> tuple[str, ComputeFile]:
        """The target's name here, and what its ``.compute`` file says."""
        found = self.keys.take(convert.text, "Target")
        name = "local" if found is None else found.strip().removesuffix(".compute")
        if not name or inside(name) != name or "/" in name:
            key = self.keys.spelled("Target") or "Target"
            raise self.keys.error(key, f"is the text {name[:60]!r}; it must be the name of a compute")
        compute = self._compute(name)
        if compute is None or compute.kind() is None:
            return self._target_by_name(name)
        self.notes += notes_on(compute, name)
        return ("local" if compute.kind() == "local" else name), compute

    def _target_by_name(self, name: str) -> tuple[str, ComputeFile]:
        folded = convert.fold(name)
        if folded in _IN_DOCKER:
            self._note(f"the target {name} is taken for a container on this machine")
            return "local", ComputeFile(self.name, type="docker")
        if folded == "local":
            return "local", ComputeFile(self.name, type="local")
        self._note(
            f"there is no file {name[:64]}.compute at hand that describes the target {name[:64]!r}; it is taken by name"
        )
        return name, ComputeFile(self.name)

    def _compute(self, target: str) -> ComputeFile | None:
        details = self.keys.value(TARGET_DETAILS)
        if details is not None:
            return from_mapping(details, self.name, f"{self.keys.spelled(TARGET_DETAILS)}.")
        beside = inside(self.name.rpartition("/")[0]) or _FOLDER
        for folder in dict.fromkeys((beside, _FOLDER)):
            path = f"{folder}/{target}.compute"
            if (data := self.files(path)) is not None:
                return parse_compute_file(data, path)
        return None

    def _framework(self) -> str:
        found: str | None = self.keys.take(convert.text, "Framework")
        if found is None:
            self._note("it names no Framework; Workbench's default, PySpark, is taken")
        return found or "PySpark"

    def _environment(self, compute: ComputeFile, spark: Map | None) -> Map:
        """What this file says of the environment; what the ``.compute`` file says comes beneath it."""
        managed = self.keys.take(convert.boolean, "ManagedEnvironment")
        own = None if managed is None else not managed
        if compute.user_managed_environment is not None:
            own = compute.user_managed_environment
        elif own is None and compute.type == "local":
            own = True
            self._note("on a local target Workbench used the Python that was there; no environment is prepared")
        python = mapping(
            [
                ("userManagedDependencies", own, self._line("ManagedEnvironment")),
                (
                    "condaDependenciesFile",
                    self._conda_file(needed=not own),
                    self._line("CondaDependenciesFile", "CondaFile"),
                ),
            ]
        )
        variables = self._variables()
        return mapping(
            [
                ("environmentVariables", variables, self._line("EnvironmentVariables")),
                ("python", python or None, 0),
                ("spark", spark, 0),
            ]
        )

    def _variables(self) -> Map:
        found: dict[str, str] = self.keys.take(convert.variables, "EnvironmentVariables") or {}
        source = self.keys.value("EnvironmentVariables")
        lines = source.lines if isinstance(source, Map) else {}
        return mapping((key, value, lines.get(key, 0)) for key, value in found.items() if (key, value) != _EXAMPLE)

    def _conda_file(self, *, needed: bool) -> str | None:
        key = self.keys.spelled("CondaDependenciesFile", "CondaFile")
        path = self.keys.take(convert.text, "CondaDependenciesFile", "CondaFile")
        if path is not None:
            return self._path(str(key), path)
        return _CONDA_FILE if needed and self.files(_CONDA_FILE) is not None else None

    def _spark(self, framework: str) -> tuple[Map | None, Map | None]:
        """``environment.spark`` and ``spark.configuration`` of the file that describes them."""
        key = self.keys.spelled("SparkDependenciesFile")
        named = self.keys.take(convert.text, "SparkDependenciesFile")
        if named is None and convert.fold(framework) == "python":
            return None, None
        path = _SPARK_FILE if named is None else self._path(str(key), named)
        data = self.files(path)
        if data is None:
            if named is not None and convert.fold(framework) != "python":
                self._note(f"{key} is {path!r}, and there is no such file at hand; Spark runs without what it asks for")
            return None, None
        return _spark_file(data, path, self.notes)

    def _path(self, key: str, path: str, item: str = "") -> str:
        """A path inside the snapshot; Workbench ran on Windows, where a backslash separates."""
        safe = inside(path.strip().replace("\\", "/"))
        if safe is None:
            raise self.keys.error(
                key, f"is the path {path[:120]!r}; it must be a relative path inside the snapshot", item
            )
        return safe

    def _rest(self) -> Map:
        """The keys that are not Workbench's: today's, or nobody's."""
        self.keys.spelled("Description")
        for key in _DATA_SOURCES:
            value = self.keys.value(key)
            if value is not None and value is not False:
                self._note(f"{self.keys.spelled(key)} belongs to Workbench's data preparation and is ignored")
        result = Map()
        for at, key in enumerate(self.keys.rest()):
            folded = convert.fold(key)
            if folded in {"script", "arguments"} and self.keys.document[key] is not None:
                raise self.keys.error(key, f"says again what {self.keys.spelled('ArgumentVector')} says; keep one")
            near = "" if folded in _TODAY or at >= _HINTS else convert.nearest(key, KEYS)
            if near:
                self.notes.append(f"{self.keys.where(key)}: {key[:60]!r} is not a known key and is ignored{near}")
                continue
            put(result, key, self.keys.document[key], self.keys.line(key))
            if isinstance(self.keys.document, Map) and key in self.keys.document.written:
                result.written[key] = self.keys.document.written[key]
        return result


def _vector(value: object, written: str) -> list[str]:
    """The items of ``ArgumentVector``, of which the first is a path."""
    if not isinstance(value, list):
        raise convert.WrongValueError(value, "a list: the script, then its arguments", show=False)
    if value and not isinstance(value[0], str):
        raise convert.WrongValueError(value[0], "the path of a script", "[0]")
    return [str(item) for item in convert.items(convert.scalar)(value, written)]  # type: ignore[attr-defined]


def _spark_file(data: bytes, name: str, notes: list[str]) -> tuple[Map | None, Map | None]:
    document = load(data, name)
    what = "it must be a mapping of `configuration`, `repositories` and `packages`"
    keys = Folded({} if document is None else document, name, what=what)
    configuration = keys.take(convert.user_map, "configuration")
    repositories = keys.take(convert.items(convert.text), "repositories")
    packages = None
    if (found := keys.take(_a_list, "packages")) is not None:
        packages = Seq()
        packages += [_package(item, name, f"packages[{index}].") for index, item in enumerate(found)]
    keys.spelled("version")
    notes += [f"{keys.where(key)}: {key[:60]!r} is not a known key and is ignored" for key in keys.rest()]
    spark = mapping(
        [
            ("repositories", repositories, keys.line(keys.spelled("repositories"))),
            ("packages", packages, keys.line(keys.spelled("packages"))),
        ]
    )
    return spark, configuration


def _package(item: object, name: str, path: str) -> Map:
    keys = Folded(item, name, path)
    return mapping(
        (key, keys.take(convert.text, key), keys.line(keys.spelled(key))) for key in ("group", "artifact", "version")
    )


def _a_list(value: object, _written: str) -> list[object]:
    if not isinstance(value, list):
        raise convert.WrongValueError(value, "a list of mappings", show=False)
    return value
