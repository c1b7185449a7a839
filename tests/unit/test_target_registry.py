"""The registry of kinds."""

from __future__ import annotations

from pathlib import Path

import pytest

from runyard.errors import ConfigError, UnsupportedError
from runyard.ports import Capabilities, ComputeTarget, TargetContext
from runyard.stores.memory import ManualClock, MemoryBlobStore, MemorySecrets
from runyard.targets.registry import Registry, known_kinds


def context(root: Path | None) -> TargetContext:
    return TargetContext(
        blobs=MemoryBlobStore(ManualClock()),
        secrets=MemorySecrets(),
        clock=ManualClock(),
        tell=lambda compute: None,
        root=root,
    )


def test_a_kind_is_loaded_once_and_has_every_method(tmp_path: Path) -> None:
    registry = Registry(context(tmp_path))
    target = registry.get("local")
    assert registry.get("local") is target
    for name in (*ComputeTarget.__annotations__, *(name for name in vars(ComputeTarget) if not name.startswith("_"))):
        assert hasattr(target, name), name
    assert isinstance(target.capabilities, Capabilities)
    assert list(registry.kinds()) == list(known_kinds()) == ["local"]
    assert not list(tmp_path.iterdir()), "nothing is made before the first job"
    registry.close()


def test_an_unknown_kind_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="there is no kind 'kubernetes'; available: local"):
        Registry(context(tmp_path)).get("kubernetes")


@pytest.mark.parametrize("kind", ["ssh", "aci", "batch", "livy"])
def test_a_planned_kind_is_not_available_yet(tmp_path: Path, kind: str) -> None:
    with pytest.raises(UnsupportedError, match=f"the kind '{kind}' is not available in this version; available: local"):
        Registry(context(tmp_path)).get(kind)


def test_a_kind_whose_package_is_missing_says_what_to_install(tmp_path: Path) -> None:
    registry = Registry(context(tmp_path), {"cloud": "no_such_package.target:Cloud", "odd": "runyard.errors:Nothing"})
    assert registry.kinds() == ["cloud", "odd"]
    with pytest.raises(
        UnsupportedError, match="the kind 'cloud' needs no_such_package, which is not here; install no_"
    ):
        registry.get("cloud")
    with pytest.raises(UnsupportedError, match=r"runyard\.errors has no Nothing"):
        registry.get("odd")


def test_the_default_compute_fits_this_machine(tmp_path: Path) -> None:
    compute = Registry(context(tmp_path)).default_compute()
    assert (compute.name, compute.kind) == ("local", "local")
    assert compute.limit >= 1


def test_the_kind_local_needs_a_root() -> None:
    with pytest.raises(ConfigError, match="needs the root folder of an embedded host"):
        Registry(context(None)).get("local")
