"""Holds what the templates would deploy against the models of Microsoft's management packages: ``make infra-check``.

It is the nearest thing to the compiler's type check that can be had from a package index: a property that does not exist, is
read-only or misspelt, a value that is not known, a required one that is missing.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.infra.bicep import Resource
from tests.infra.deployments import FILES, everything
from tests.infra.shapes import problems

PACKAGES: Final = "azure.mgmt"
MODELS: Final = {
    "Microsoft.Authorization/roleAssignments": ("authorization.v2022_04_01", "RoleAssignmentCreateParameters"),
    "Microsoft.Batch/batchAccounts": ("batch", "BatchAccountCreateParameters"),
    "Microsoft.ContainerRegistry/registries": ("containerregistry", "Registry"),
    "Microsoft.EventGrid/systemTopics": ("eventgrid", "SystemTopic"),
    "Microsoft.EventGrid/systemTopics/eventSubscriptions": ("eventgrid", "EventSubscription"),
    "Microsoft.Insights/actionGroups": ("monitor", "ActionGroupResource"),
    "Microsoft.Insights/components": ("applicationinsights.v2020_02_02", "ApplicationInsightsComponent"),
    "Microsoft.Insights/metricAlerts": ("monitor", "MetricAlertResource"),
    "Microsoft.Insights/scheduledQueryRules": ("monitor", "ScheduledQueryRuleResource"),
    "Microsoft.KeyVault/vaults": ("keyvault", "VaultCreateOrUpdateParameters"),
    "Microsoft.ManagedIdentity/userAssignedIdentities": ("msi.v2024_11_30", "Identity"),
    "Microsoft.OperationalInsights/workspaces": ("loganalytics", "Workspace"),
    "Microsoft.Resources/resourceGroups": ("resource.resources", "ResourceGroup"),
    "Microsoft.ServiceBus/namespaces": ("servicebus", "SBNamespace"),
    "Microsoft.ServiceBus/namespaces/queues": ("servicebus", "SBQueue"),
    "Microsoft.Storage/storageAccounts": ("storage", "StorageAccountCreateParameters"),
    "Microsoft.Storage/storageAccounts/blobServices": ("storage", "BlobServiceProperties"),
    "Microsoft.Storage/storageAccounts/blobServices/containers": ("storage", "BlobContainer"),
    "Microsoft.Storage/storageAccounts/managementPolicies": ("storage", "ManagementPolicy"),
    "Microsoft.Storage/storageAccounts/tableServices": ("storage", "TableServiceProperties"),
    "Microsoft.Storage/storageAccounts/tableServices/tables": ("storage", "Table"),
    "Microsoft.Web/serverfarms": ("web", "AppServicePlan"),
    "Microsoft.Web/sites": ("web", "Site"),
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": ("web", "CsmPublishingCredentialsPoliciesEntity"),
    "Microsoft.Web/sites/config": ("web", "StringDictionary"),
}
OF_BICEP: Final = frozenset({"name", "parent", "scope", "dependsOn"})
"""What the language knows of every resource; the models have it elsewhere or not at all."""
WRONG: Final = (
    ("servicebus.bicep", "lockDuration:", "lockDuraton:"),
    ("servicebus.bicep", "maxDeliveryCount: 10", "maxDeliveryCount: 'ten'"),
    ("servicebus.bicep", "minimumTlsVersion: '1.2'", "minimumTlsVersion: '1.4'"),
    ("functions.bicep", "name: 'python'", "name: 'pyton'"),
    ("functions.bicep", "instanceMemoryMB:", "instanceMemoryMb:"),
    ("functions.bicep", "type: 'UserAssignedIdentity'", "type: 'UserIdentity'"),
    ("functions.bicep", "allow: false", "alow: false"),
    ("keyvault.bicep", "    tenantId: tenant().tenantId\n", ""),
    ("keyvault.bicep", "enableSoftDelete: true", "enableSoftDelete: 'yes'"),
    ("storage.bicep", "daysAfterModificationGreaterThan", "daysSinceModification"),
    ("storage.bicep", "publicAccess: 'None'", "publicAccess: 'Nobody'"),
    ("subscription.bicep", "maxEventsPerBatch: 1", "maxEvents: 1"),
    ("subscription.bicep", "'EventGridSchema'", "'Grid'"),
    ("alerts.bicep", "criterionType: 'StaticThresholdCriterion'", "criterionType: 'Static'"),
    ("alerts.bicep", "threshold: 0", "treshold: 0"),
    ("monitoring.bicep", "dailyQuotaGb", "dailyQuota"),
    ("batch.bicep", "'AAD'", "'Entra'"),
    ("registry.bicep", "@2023-07-01", "@2099-07-01"),
    ("identity.bicep", "location: location", "place: location"),
)
"""Templates that Azure would not take, each by one change: the proof that this check can fail."""
_VERSION: Final = re.compile(r'"api-?_?version",\s*(?:_params\.pop\("api-version",\s*)?"(\d{4}-\d{2}-\d{2})"')


def newest(package: str) -> str:
    """The newest version of the interface that a package speaks."""
    module = importlib.import_module(f"{PACKAGES}.{package}")
    assert module.__file__ is not None
    said = [
        version for path in Path(module.__file__).parent.rglob("*.py") for version in _VERSION.findall(path.read_text())
    ]
    return str(max(said))


def faults(resource: Resource) -> Iterator[str]:
    """What is wrong with a resource."""
    where = f"{resource.file}: {resource.symbol}"
    if resource.type not in MODELS:
        yield f"{where} is a {resource.type}, for which no model is named here"
        return
    package, name = MODELS[resource.type]
    model = getattr(importlib.import_module(f"{PACKAGES}.{package}.models"), name)
    body: dict[str, Any] = {key: value for key, value in resource.body.items() if key not in OF_BICEP}
    yield from problems(body, model, where)
    if resource.version > (known := newest(package)):
        yield f"{where} has version {resource.version}, and its model goes up to {known}"


def found_in(resources: list[Resource]) -> list[str]:
    """Each fault once."""
    return sorted({fault for resource in resources for fault in faults(resource)})


def missed() -> Iterator[str]:
    """The wrong templates in which nothing is found."""
    for file, old, new in WRONG:
        content = next(path for path in FILES if path.name == file).read_text()
        assert old in content, f"{file} has no {old!r} any more"
        if not found_in(everything({file: content.replace(old, new)})):
            yield f"{file}: {new!r} in place of {old!r} is not found"


def main() -> int:
    """Print each fault; 1 if there is one, or if a template that is wrong on purpose passes."""
    resources = everything()
    found = [*found_in(resources), *missed()]
    for fault in found:
        print(fault)  # noqa: T201
    counts = f"{len(resources)} resources and {len(WRONG)} wrong templates held against Azure's models"
    print(f"{counts}: {len(found)} faults")  # noqa: T201
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
