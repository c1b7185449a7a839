"""Every real file: one changed value is one changed line, and nothing changed is the same bytes."""

import json
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

import pytest

from runyard.runconfig.edit import REMOVED, Path, differences, rewrite
from runyard.runconfig.yaml12 import load
from tests.unit.test_runconfig_yaml12 import reference

OTHER_VALUES = ("other", "on", 7, 0.5, True, None, "two words: and # more")


def files() -> list[FilePath]:
    folder = reference()
    found = [
        path for path in sorted(folder.rglob("*")) if path.is_file() and path.parent.name in {"aml_config", ".azureml"}
    ]
    assert len(found) > 100
    return found


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))
    else:
        yield path


def at(document: Any, path: Path) -> Any:
    for step in path:
        document = document[step]
    return document


def put(document: Any, path: Path, value: Any) -> None:
    at(document, path[:-1])[path[-1]] = value


def common(one: list[bytes], other: list[bytes]) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def replaced(old: bytes, new: bytes) -> tuple[list[bytes], list[bytes]]:
    """What stands between the lines that are equal at the beginning and those that are equal at the end."""
    one, other = old.splitlines(keepends=True), new.splitlines(keepends=True)
    first = common(one, other)
    last = common(one[first:][::-1], other[first:][::-1])
    return one[first : len(one) - last], other[first : len(other) - last]


def test_each_value_of_every_real_file_can_be_set_and_one_line_changes() -> None:
    count = 0
    for file in files():
        data = file.read_bytes()
        plain = json.dumps(load(data, "f"))
        for number, path in enumerate(leaves(load(data, "f"))):
            expected: Any = json.loads(plain)
            value = next(
                other
                for other in (*OTHER_VALUES[number % 7 :], *OTHER_VALUES)
                if (type(other), other) != (type(at(expected, path)), at(expected, path))
            )
            put(expected, path, value)
            result = rewrite(data, {path: value}, "f")
            assert expected == load(result, "f"), (file, path)
            went, came = replaced(data, result)
            assert (1, 1) == (len(went), len(came)), (file, path, went, came)
            count += 1
    assert count > 2500


def test_each_key_of_every_real_file_can_go_and_only_its_lines_go() -> None:
    for file in files():
        data = file.read_bytes()
        document: Any = load(data, "f")
        plain = json.dumps(document)
        for path in leaves(document):
            expected: Any = json.loads(plain)
            del at(expected, path[:-1])[path[-1]]
            result = rewrite(data, {path: REMOVED}, "f")
            assert expected == load(result, "f"), (file, path)
            went, came = replaced(data, result)
            if at(expected, path[:-1]) and not went[0].lstrip().startswith(b"- "):
                assert (1, 0) == (len(went), len(came)), (file, path, went, came)
            else:  # the next key moves up behind the dash, or `{}` stays
                assert len(went) - len(came) == 1, (file, path, went, came)
            assert data.count(b"# note") == result.count(b"# note")


def test_a_key_can_be_added_to_every_mapping_of_every_real_file() -> None:
    for file in files():
        data = file.read_bytes()
        plain = json.dumps(load(data, "f"))
        for path in {path[:-1] for path in leaves(load(data, "f"))}:
            expected: Any = json.loads(plain)
            target = at(expected, path)
            key: Any = len(target) if isinstance(target, list) else "addedKey"
            result = rewrite(data, {(*path, key): "x"}, "f")
            target.append("x") if isinstance(target, list) else target.update(addedKey="x")
            assert expected == load(result, "f"), (file, path)
            went, came = replaced(data, result)
            assert (0, 1) == (len(went), len(came)), (file, path, went, came)


def test_no_change_is_the_same_bytes() -> None:
    for file in files():
        data = file.read_bytes()
        document = load(data, "f")
        assert data == rewrite(data, {}, "f")
        assert data == rewrite(data, {(): document}, "f")
        assert data == rewrite(data, {path: at(document, path) for path in leaves(document)}, "f")


def test_a_user_s_own_keys_stay_as_they_are_spelled() -> None:
    data = b"target: local\nenvironment:\n  environmentVariables:\n    Target: a\n    target: b\n    nodeCount: 1\n    NodeCount: 2\n"
    result = rewrite(data, {("environment", "environmentVariables", "Target"): "c"}, "f")
    assert data.replace(b"Target: a", b"Target: c") == result
    document: Any = load(data, "f")
    document["environment"]["environmentVariables"]["NODECOUNT"] = "3"
    assert data + b"    NODECOUNT: '3'\n" == rewrite(data, differences(load(data, "f"), document), "f")


@pytest.mark.parametrize(
    "release",
    ["0.1.80/11-env-args-datarefs/aml_config/full_io.runconfig", "1.0.85/11-env-args-datarefs/.azureml/full_io"],
)
def test_a_new_key_comes_behind_its_siblings_and_before_the_next_comment(release: str) -> None:
    data = (reference() / release).read_bytes()
    result = rewrite(data, {("dataReferences", "mydata", "extra"): 1, ("arguments", 1): "x"}, "f").decode()
    assert "    pathOnCompute:\n    extra: 1\n  my_download:\n# note\n" in result
    assert "arguments:\n- --data-folder\n- x\n- --regularization\n" in result
