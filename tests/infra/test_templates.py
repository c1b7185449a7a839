"""The templates hold together: they parse, every name is declared, every module gets what it asks for, every name is legal."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
from pycep import BicepParser

from tests.infra.bicep import BicepError, read_source
from tests.infra.deployments import FILES, INFRA, SIZES, deployed, everything, subscribed

NAMES: Final = {
    # https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
    "Microsoft.Storage/storageAccounts": r"[a-z0-9]{3,24}",
    "Microsoft.Storage/storageAccounts/blobServices/containers": r"[a-z0-9]+/default/[a-z0-9](-?[a-z0-9]){2,62}",
    "Microsoft.Storage/storageAccounts/tableServices/tables": r"[a-z0-9]+/default/[A-Za-z][A-Za-z0-9]{2,62}",
    "Microsoft.KeyVault/vaults": r"[A-Za-z](-?[A-Za-z0-9]){2,23}",
    "Microsoft.ServiceBus/namespaces": r"[A-Za-z](-?[A-Za-z0-9]){5,49}",
    "Microsoft.Web/sites": r"[A-Za-z0-9](-?[A-Za-z0-9]){1,59}",
    "Microsoft.Batch/batchAccounts": r"[a-z0-9]{3,24}",
    "Microsoft.ContainerRegistry/registries": r"[A-Za-z0-9]{5,50}",
    "Microsoft.EventGrid/systemTopics": r"[A-Za-z0-9-]{3,50}",
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_file_parses_by_a_second_parser(path: Path) -> None:
    assert BicepParser().parse(text=path.read_text())["globals"]["scope"]["value"] in {"subscription", "resourceGroup"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_file_reads_all_that_it_declares(path: Path) -> None:
    assert set() == read_source(path).unused()


@pytest.mark.parametrize("size", SIZES)
def test_a_size_deploys_and_has_the_outputs(size: str) -> None:
    evaluation = deployed(size)
    assert len(list(evaluation.resources())) > 40
    assert {"AZURE_RESOURCE_GROUP", "RUNYARD_URL"} < set(evaluation.outputs)


def test_every_module_is_deployed_by_main() -> None:
    used = {resource.file for resource in everything()}
    assert {path.name for path in FILES} == used


def test_names_are_what_azure_takes() -> None:
    longest = deployed("large", environmentName="e" * 40, batch=True, registry=True)
    checked = set()
    for resource in longest.resources():
        if rule := NAMES.get(resource.type):
            assert re.fullmatch(rule, resource.name), resource.name
            checked.add(resource.type)
    assert set(NAMES) == checked


def test_nothing_is_deployed_twice() -> None:
    ids = [resource.id for resource in deployed("large", batch=True, registry=True).resources()]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("main.bicep", "name: 'id-runyard-${token}'", "name: 'id-runyard-${tokn}'", "tokn is not declared"),
        ("main.bicep", "    kinds: kinds\n", "", "servicebus.bicep needs the parameter kinds"),
        ("main.bicep", "    kinds: kinds\n", "    kinds: kinds\n    more: 1\n", r"no parameter \['more'\]"),
        ("main.bicep", "kinds: kinds", "kinds: location", "is no array"),
        ("main.bicep", "bus.outputs.hostName", "bus.outputs.host", "there is no host"),
        ("storage.bicep", "resource account ", "resource acount ", "account is not declared"),
        ("storage.bicep", "name: sku\n", "name: sku\n  }}\n", "this is no Bicep"),
        ("keyvault.bicep", "scope: vault", "scope: valt", "valt is not declared"),
    ],
)
def test_what_the_compiler_would_refuse_is_found(file: str, old: str, new: str, says: str) -> None:
    content = next(path for path in FILES if path.name == file).read_text()
    assert old in content
    with pytest.raises(BicepError, match=says):
        list(deployed(overlay={file: content.replace(old, new)}).resources())


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("maximumInstanceCount", 39, "out of bounds"),
        ("instanceMemoryMb", 1024, "not allowed"),
        ("storageSku", "Premium_LRS", "not allowed"),
        ("environmentName", "", "out of bounds"),
        ("batch", "yes", "is no bool"),
        ("nothing", 1, "no parameter"),
    ],
)
def test_a_parameter_out_of_its_bounds_is_refused(name: str, value: Any, says: str) -> None:
    with pytest.raises(BicepError, match=says):
        deployed("small", **{name: value})


def test_a_name_that_is_declared_and_not_read_is_found() -> None:
    content = (INFRA / "subscription.bicep").read_text() + "\nparam extra string = ''\n"
    assert {"extra"} == read_source(INFRA / "subscription.bicep", content).unused()


def test_the_subscription_waits_for_the_function() -> None:
    assert not [resource for resource in deployed().resources() if resource.type.endswith("/eventSubscriptions")]
    assert ["topic/dropped-snapshots"] == [resource.name for resource in subscribed().resources()]
