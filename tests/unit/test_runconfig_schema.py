"""Every key that two releases of the SDK have, ten years of its life apart, is read, typed, defaulted and written."""

import ast
import dataclasses
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from runyard.runconfig.document import to_document
from runyard.runconfig.edit import fresh
from runyard.runconfig.model import RunConfiguration
from runyard.runconfig.read import from_document, parse
from tests.unit.test_runconfig_yaml12 import reference

RELEASES = {"0.1.59": {"batchai": {}}, "1.61.0": {"credentialPassthrough": False}}
"""By the release: a document that tells its era and nothing else."""


class Key(NamedTuple):
    """A line of a schema file."""

    path: tuple[str, ...]
    kind: str
    attributes: tuple[str, ...]
    default: str
    element: str
    user_keys: bool


def keys(release: str) -> list[Key]:
    names: dict[tuple[str, ...], str] = {}
    found = []
    for line in (reference().parent / "reference" / f"schema-{release}.txt").read_text().splitlines():
        parts = [part.strip() for part in line.split("|")]
        if len(parts) < 5:
            continue
        path = tuple(step for name in parts[0].split(".") for step in re.split(r"(\[\])", name) if step)
        names[path] = parts[2].removeprefix("py:").lstrip("_")
        attributes = tuple(step if step == "[]" else names[path[: at + 1]] for at, step in enumerate(path))
        element = next((part.removeprefix("elem=").split()[0] for part in parts if part.startswith("elem=")), "")
        found.append(Key(path, parts[1], attributes, parts[3].removeprefix("default="), element, "user_keys" in line))
    return found


def cases() -> Iterator[tuple[str, Key]]:
    for release in RELEASES:
        for key in keys(release):
            yield release, key


def sample(key: Key) -> Any:
    """A legal value that is no default."""
    words = {
        "framework": "PySpark",
        "communicator": "OpenMpi",
        "mode": "download",
        "mechanism": "upload",
        "yarnDeployMode": "client",
        "vmPriority": "lowpriority",
        "communicationBackend": "gloo",
        "additionalOptions": {"pathOnCompute": "x"},
    }
    if key.path[-1] in words:
        return words[key.path[-1]]
    if key.kind == "dict":
        return {} if key.element and key.element != "str" else {"My_Key": "v", "nodeCount": "w"}
    if key.kind == "list":
        if key.path[-1] == "terminalExitCodes":
            return [3]
        return ["a", "b"] if key.element in {"", "str"} else []
    return {"bool": key.default != "True", "int": 7, "str": "some text", "LocationType": "Git"}.get(key.kind, {})


def nested(path: tuple[str, ...], value: Any, spell: Callable[[str], str], dicts: frozenset[tuple[str, ...]]) -> Any:
    for at in range(len(path) - 1, -1, -1):
        step = path[at]
        item = {"A_Name": value} if path[:at] in dicts else [value]
        value = item if step == "[]" else {spell(step): value}
    return value


def attribute(value: Any, attributes: tuple[str, ...]) -> Any:
    for name in attributes:
        if name != "[]":
            value = getattr(value, name)
        elif isinstance(value, dict):
            value = value["A_Name"]
        else:
            value = value[0]
    return value


def snake(key: str) -> str:
    return re.sub(r"([A-Z])", lambda found: "_" + found[1].lower(), key)


def pascal(key: str) -> str:
    return key[0].upper() + key[1:]


@pytest.mark.parametrize("spell", [str, snake, pascal, str.lower, str.upper])
def test_each_key_is_read_in_every_casing_typed_and_written(spell: Callable[[str], str]) -> None:
    count = 0
    for release, key in cases():
        dicts = frozenset(other.path for other in keys_of(release) if other.kind == "dict" and other.element)
        value = sample(key)
        document = nested(key.path, value, spell, dicts)
        config = from_document(document, "f")
        assert not config.unknown, key
        read = attribute(config, key.attributes)
        if isinstance(value, dict) and not key.user_keys and dataclasses.is_dataclass(read):
            read = type(read)  # a section: its own keys are tested one by one
        else:
            assert read == value, key
            assert type(read) is type(value), key
        written = to_document(config, full=True)
        again = from_document(written, "f")
        assert to_document(again, full=True) == written, key
        expected = nested(key.path, value, str, dicts)
        assert contains(written, expected), key
        file = fresh(to_document(config))
        assert to_document(parse(file, "f"), full=True) == written, key
        count += 1
    assert count > 190


def keys_of(release: str) -> list[Key]:
    if release not in _KNOWN:
        _KNOWN[release] = keys(release)
    return _KNOWN[release]


_KNOWN: dict[str, list[Key]] = {}


def contains(whole: Any, part: Any) -> bool:
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and contains(whole[key], part[key]) for key in part)
    if isinstance(part, list):
        return isinstance(whole, list) and len(whole) == len(part) and all(map(contains, whole, part))
    return bool(whole == part)


@pytest.mark.parametrize("release", RELEASES)
def test_each_key_that_a_file_leaves_out_has_the_default_of_its_era(release: str) -> None:
    config = from_document(RELEASES[release], "f")
    for key in keys(release):
        if "[]" in key.path or key.default.startswith(("{", "[<")):
            continue  # sections; and the example variable, which is noise
        try:
            found = attribute(config, key.attributes)
        except AttributeError:
            continue  # below a section that is absent
        assert found == ast.literal_eval(key.default), key
    packages = attribute(config, ("environment", "spark", "packages"))
    assert [package.artifact for package in packages] == (["mmlspark_2.11"] if release == "0.1.59" else [])


def test_a_new_file_has_the_keys_of_1_0_85_in_its_order() -> None:
    real = parse_real("1.0.85/01-local-user-managed/.azureml/local_user")
    assert shape(to_document(RunConfiguration())) == shape(real)


def test_a_new_file_has_a_container_instance_when_that_is_set() -> None:
    config = RunConfiguration()
    config.container_instance.region = "eastus"
    assert to_document(config)["containerInstance"] == {"cpuCores": 1, "memoryGb": 4, "region": "eastus"}


def parse_real(name: str) -> dict[str, Any]:
    document = parse((reference() / name).read_bytes(), name).document
    document["environment"]["environmentVariables"] = {}
    return document


def shape(document: Any) -> Any:
    return [(key, shape(value)) for key, value in document.items()] if isinstance(document, dict) else None
