"""What the code uses in Azure is what the templates make, and nothing else: compared as deployed, not as text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from runyard.dispatch.wakes import BURIED, queues
from runyard.host.app import load_app, read_host_json
from runyard.ports.queue import DEAD_LETTERS, MAX_DELIVERIES
from runyard.stores.azure import names, settings
from runyard.stores.azure.stores import AzureStores
from runyard.targets.registry import cloud_kinds
from runyard.testing import ManualClock
from tests.infra.bicep import Evaluation, Resource
from tests.infra.deployments import FILES, HOUSE, SIZES, deployed, subscribed

QUEUE: Final = "Microsoft.ServiceBus/namespaces/queues"
TABLE: Final = "Microsoft.Storage/storageAccounts/tableServices/tables"
CONTAINER: Final = "Microsoft.Storage/storageAccounts/blobServices/containers"
ROLE: Final = "Microsoft.Authorization/roleAssignments"
HOST: Final = {
    # https://learn.microsoft.com/azure/azure-functions/functions-reference#connecting-to-host-storage-with-an-identity
    "AzureWebJobsStorage__blobServiceUri",
    "AzureWebJobsStorage__queueServiceUri",
    "AzureWebJobsStorage__tableServiceUri",
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__clientId",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "PYTHON_ENABLE_OPENTELEMETRY",  # docs/observability.md
    "PYTHON_THREADPOOL_THREAD_COUNT",  # docs/azure/functions.md
}
REFUSED: Final = {
    # https://learn.microsoft.com/azure/azure-functions/functions-app-settings#flex-consumption-plan-deprecations
    "FUNCTIONS_WORKER_RUNTIME",
    "FUNCTIONS_EXTENSION_VERSION",
    "FUNCTIONS_WORKER_PROCESS_COUNT",
    "SCM_DO_BUILD_DURING_DEPLOYMENT",
    "ENABLE_ORYX_BUILD",
    "WEBSITE_CONTENTSHARE",
    "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING",
    "WEBSITE_RUN_FROM_PACKAGE",
}
ROLES: Final = {
    # https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
    "4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0": "Azure Service Bus Data Receiver",
    "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39": "Azure Service Bus Data Sender",
    "090c5cfd-751d-490a-894a-3ce6f1109419": "Azure Service Bus Data Owner",
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": "Key Vault Secrets Officer",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "48e5e92e-a480-4e71-aa9c-2778f4c13781": "Azure Batch Job Submitter",
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": "AcrPull",
}
APP: Final = "identity.properties.principalId"


def made(evaluation: Evaluation, kind: str) -> list[Resource]:
    return [resource for resource in evaluation.resources() if resource.type == kind]


def last(resource: Resource) -> str:
    return resource.name.rpartition("/")[2]


def check_queues(evaluation: Evaluation) -> None:
    found = {last(resource): resource.body["properties"] for resource in made(evaluation, QUEUE)}
    assert queues(cloud_kinds()) == set(found)
    for name, properties in found.items():
        assert not properties["requiresDuplicateDetection"], name
        assert not properties["requiresSession"], name
        assert properties["maxDeliveryCount"] == MAX_DELIVERIES, name
        forwards = None if name in {DEAD_LETTERS, BURIED} else DEAD_LETTERS
        assert forwards == properties.get("forwardDeadLetteredMessagesTo"), name
        assert properties["deadLetteringOnMessageExpiration"] == (name != BURIED), name


def test_the_stores_count_the_queues_that_there_are() -> None:
    """``stores`` sees no use case, so it has names of its own; these are the same."""
    for kinds in ([], ["batch", "aci"]):
        assert queues(kinds) == {*names.QUEUES, *map(names.dispatch_queue, kinds)}
        queue = AzureStores(settings.AzureSettings(), ManualClock(), kinds=kinds).queue
        assert queues(kinds) == set(queue._queues)  # type: ignore[attr-defined]


def check_tables(evaluation: Evaluation) -> None:
    assert sorted(names.TABLES) == sorted(last(resource) for resource in made(evaluation, TABLE))


def check_containers(evaluation: Evaluation) -> None:
    data = evaluation.outputs["RUNYARD_STORAGE_ACCOUNT"]
    found = [last(resource) for resource in made(evaluation, CONTAINER) if resource.name.startswith(f"{data}/")]
    assert sorted(names.CONTAINERS) == sorted(found)


def app_settings(evaluation: Evaluation) -> Mapping[str, Any]:
    (resource,) = made(evaluation, "Microsoft.Web/sites/config")
    found: Mapping[str, Any] = resource.body["properties"]
    return found


def connections() -> set[str]:
    """The prefixes that the triggers name."""
    app = load_app(HOUSE / "function_app.py", {})
    return {served.settings["connection"] for served in app.functions if "connection" in served.settings}


def check_settings(evaluation: Evaluation) -> None:
    wanted = set(settings.SETTINGS) - set(settings.ON_A_DESK) | HOST
    for name in connections():
        wanted |= {f"{name}__fullyQualifiedNamespace", f"{name}__credential", f"{name}__clientId"}
    found = app_settings(evaluation)
    assert wanted == set(found)
    assert not REFUSED & set(found)
    assert all(isinstance(value, str) for value in found.values())
    assert 2 * read_host_json(HOUSE / "host.json").concurrency <= int(found["PYTHON_THREADPOOL_THREAD_COUNT"])
    shown = f"| `PYTHON_THREADPOOL_THREAD_COUNT` | {found['PYTHON_THREADPOOL_THREAD_COUNT']}: "
    assert shown in (HOUSE / "docs" / "azure" / "functions.md").read_text()


def roles(evaluation: Evaluation) -> set[tuple[str, str, str]]:
    """(who, which role, on what)."""
    found = set()
    for resource in made(evaluation, ROLE):
        properties = resource.body["properties"]
        role = properties["roleDefinitionId"].rpartition("/")[2]
        found.add((str(properties["principalId"]), ROLES[role], resource.body["scope"].symbol))
    return found


def expected_roles(*, lengths: bool, batch: bool = False, registry: bool = False) -> set[tuple[str, str, str]]:
    bus = (
        {"Azure Service Bus Data Owner"}
        if lengths
        else {
            "Azure Service Bus Data Receiver",
            "Azure Service Bus Data Sender",
        }
    )
    return {
        (APP, "Storage Blob Data Contributor", "account"),
        (APP, "Storage Table Data Contributor", "account"),
        (APP, "Storage Blob Data Owner", "hostStorage"),
        *((APP, role, "namespace") for role in bus),
        (APP, "Key Vault Secrets Officer", "vault"),
        (APP, "Monitoring Metrics Publisher", "insights"),
        ("topic.identity.principalId", "Storage Blob Data Contributor", "undelivered"),
        ("5f1c", "Storage Blob Data Contributor", "container"),
        *({(APP, "Azure Batch Job Submitter", "account")} if batch else ()),
        *({(APP, "AcrPull", "registry")} if registry else ()),
    }


@pytest.mark.parametrize("size", SIZES)
def test_every_queue_that_the_code_uses_is_made_and_no_other(size: str) -> None:
    check_queues(deployed(size))


@pytest.mark.parametrize("size", SIZES)
def test_every_table_and_container_that_the_code_uses_is_made_and_no_other(size: str) -> None:
    check_tables(deployed(size))
    check_containers(deployed(size))


@pytest.mark.parametrize("size", SIZES)
def test_every_setting_that_the_code_and_its_host_read_is_made_and_no_other(size: str) -> None:
    check_settings(deployed(size))


def test_telemetry_is_on_in_all_three_places_or_in_none() -> None:
    host = json.loads((HOUSE / "host.json").read_text())
    packages = (HOUSE / "requirements.txt").read_text()
    assert app_settings(deployed())["PYTHON_ENABLE_OPENTELEMETRY"] == "true"
    assert host["telemetryMode"] == "OpenTelemetry"
    assert "azure-monitor-opentelemetry-exporter" in packages
    assert "opentelemetry-sdk" in packages


def test_what_the_templates_set_is_what_the_code_reads() -> None:
    found = app_settings(
        deployed(entraTenant="9f6c2f0e-2f4b-4c36-9d6e-0b3a7a1c5d11", entraAudience="api://a", entraCallers="r")
    )
    azure = {
        **found,
        settings.BLOB_URI: "https://a.blob.core.windows.net/",
        settings.TABLE_URI: "https://a.table.core.windows.net/",
    }
    azure |= {settings.NAMESPACE: "a.servicebus.windows.net", settings.VAULT_URI: "https://a.vault.azure.net/"}
    read = settings.azure_settings(azure)
    assert read.blob_uri == "https://a.blob.core.windows.net"
    assert read.entra is not None


def test_without_a_directory_no_token_of_one_counts() -> None:
    azure = {**app_settings(deployed()), settings.BLOB_URI: "https://a.blob.x", settings.TABLE_URI: "https://a.table.x"}
    azure |= {settings.NAMESPACE: "a.servicebus.windows.net", settings.VAULT_URI: "https://a.vault.azure.net/"}
    assert settings.azure_settings(azure).entra is None


def test_roles_are_those_and_no_more() -> None:
    assert expected_roles(lengths=False) == roles(deployed("small"))
    assert expected_roles(lengths=True) == roles(deployed("large"))
    assert expected_roles(lengths=False, batch=True, registry=True) == roles(
        deployed("small", batch=True, registry=True)
    )
    assert len(roles(deployed("small", principalId=""))) == len(expected_roles(lengths=False)) - 1


def test_each_role_is_named_where_its_id_stands() -> None:
    stand = 0
    for path in FILES:
        lines = path.read_text().splitlines()
        for index, line in enumerate(lines):
            for role in re.findall(r"'([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})'", line):
                above = [said for said in lines[max(0, index - 3) : index] if said.startswith("//")]
                assert any(ROLES[role] in said for said in above), f"{path.name}: {role}"
                stand += 1
    assert stand >= len(ROLES)


def test_no_account_takes_keys_or_strangers() -> None:
    evaluation = deployed("large", batch=True, registry=True)
    accounts = made(evaluation, "Microsoft.Storage/storageAccounts")
    assert len(accounts) == 2
    for account in accounts:
        properties = account.body["properties"]
        assert not properties["allowSharedKeyAccess"]
        assert not properties["allowBlobPublicAccess"]
        assert properties["minimumTlsVersion"] == "TLS1_2"
    assert made(evaluation, "Microsoft.ServiceBus/namespaces")[0].body["properties"]["disableLocalAuth"]
    assert made(evaluation, "Microsoft.Insights/components")[0].body["properties"]["DisableLocalAuth"]
    assert made(evaluation, "Microsoft.Batch/batchAccounts")[0].body["properties"]["allowedAuthenticationModes"] == [
        "AAD"
    ]


def test_purge_protection_is_on_or_not_there() -> None:
    for size, value in (("small", None), ("large", True)):
        (vault,) = made(deployed(size), "Microsoft.KeyVault/vaults")
        assert vault.body["properties"]["enablePurgeProtection"] is value
        assert vault.body["properties"]["enableSoftDelete"]


def test_lifecycle_rules_are_on_where_days_are_given_and_spare_start_registers() -> None:
    (policy,) = made(
        deployed("small", runsDays=30, uploadsDays=0), "Microsoft.Storage/storageAccounts/managementPolicies"
    )
    rules = {
        rule["definition"]["filters"]["prefixMatch"][0]: (
            rule["enabled"],
            rule["definition"]["actions"]["baseBlob"]["delete"]["daysAfterModificationGreaterThan"],
        )
        for rule in policy.body["properties"]["policy"]["rules"]
    }
    assert rules == {
        "uploads/": (False, 36500),
        "runs/": (True, 30),
        "snapshots/": (False, 36500),
        "staging/": (True, 7),
        "eventgrid-deadletters/": (True, 30),
    }


def test_events_go_to_the_function_that_takes_them() -> None:
    (subscription,) = subscribed().resources()
    properties = subscription.body["properties"]
    function = properties["destination"]["properties"]["resourceId"].rpartition("/")[2]
    app = load_app(HOUSE / "function_app.py", {})
    assert [function] == [served.name for served in app.functions if served.trigger == "eventGridTrigger"]
    dead = properties["deadLetterWithResourceIdentity"]["deadLetterDestination"]["properties"]["blobContainerName"]
    container = properties["filter"]["subjectBeginsWith"].split("/")[4]
    assert {container, dead} < set(names.CONTAINERS)


def test_the_host_renews_a_lock_for_as_long_as_a_function_may_run() -> None:
    host = json.loads((HOUSE / "host.json").read_text())
    assert host["functionTimeout"] == host["extensions"]["serviceBus"]["maxAutoLockRenewalDuration"]
    for resource in made(deployed(), QUEUE):
        assert resource.body["properties"]["lockDuration"] == "PT1M"


CHECKS: Final[Sequence[tuple[Callable[[Evaluation], None], str, str, str]]] = (
    (check_queues, "servicebus.bicep", "  'watch'\n", ""),
    (check_queues, "servicebus.bicep", "  'watch'\n", "  'watch'\n  'more'\n"),
    (check_queues, "servicebus.bicep", "    forwardDeadLetteredMessagesTo: deadLetterQueue\n", ""),
    (check_queues, "servicebus.bicep", "requiresDuplicateDetection: false", "requiresDuplicateDetection: true"),
    (check_queues, "servicebus.bicep", "maxDeliveryCount: 10", "maxDeliveryCount: 5"),
    (check_queues, "main.bicep", "param kinds array = []", "param kinds array = [\n  'local'\n]"),
    (check_tables, "storage.bicep", "  'gates'\n", ""),
    (check_tables, "storage.bicep", "  'gates'\n", "  'gates'\n  'more'\n"),
    (check_containers, "storage.bicep", "  'registers'\n", ""),
    (check_containers, "storage.bicep", "  'registers'\n", "  'registers'\n  'more'\n"),
    (check_settings, "functions.bicep", "    KeyVault__vaultUri: vaultUri\n", ""),
    (check_settings, "functions.bicep", "    ServiceBus__credential: 'managedidentity'\n", ""),
    (check_settings, "functions.bicep", "    KeyVault__vaultUri:", "    MORE: '1'\n    KeyVault__vaultUri:"),
)


@pytest.mark.parametrize(
    ("check", "file", "old", "new"), CHECKS, ids=[f"{i}-{row[0].__name__}" for i, row in enumerate(CHECKS)]
)
def test_a_difference_is_found(check: Callable[[Evaluation], None], file: str, old: str, new: str) -> None:
    path: Path = next(path for path in FILES if path.name == file)
    assert old in path.read_text()
    with pytest.raises(AssertionError):
        check(deployed(overlay={file: path.read_text().replace(old, new)}))


def test_a_role_too_many_is_found() -> None:
    path = next(path for path in FILES if path.name == "storage.bicep")
    more = path.read_text().replace(
        "var appRoles = [\n", "var appRoles = [\n  'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'\n"
    )
    assert expected_roles(lengths=False) != roles(deployed(overlay={"storage.bicep": more}))
