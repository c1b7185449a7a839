"""Every name by which this code knows something in Azure. ``infra/`` makes exactly these; a test compares the two.

Table names: 3 to 63 letters and digits. https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
"""

from __future__ import annotations

from typing import Final

RUNS: Final = "runs"
"""PartitionKey = run id; ``run``, ``e-000001`` …, ``a-01`` …: a transition is one entity-group transaction."""
IDENTITIES: Final = "identities"
"""PartitionKey = the identity's hash: which run was made for an event, also after it was deleted (a tombstone)."""
RUNS_BY_TIME: Final = "runsbytime"
"""PartitionKey = ``yyyymm-<shard>``, RowKey = inverted time and id: a summary, written at creation and ending."""
RUNS_BY_EXPERIMENT: Final = "runsbyexperiment"
"""PartitionKey = experiment, RowKey as in :data:`RUNS_BY_TIME`."""
RUNS_BY_ENDING: Final = "runsbyending"
"""PartitionKey = ``Failed-yyyymm`` or ``Canceled-yyyymm``, RowKey as in :data:`RUNS_BY_TIME`."""
OUTBOX: Final = "outbox"
"""Endings that are still to be announced."""
GATES: Final = "gates"
"""PartitionKey = compute; the gate's row, its waiting list and its slots."""
DOCUMENTS: Final = "documents"
"""PartitionKey = kind of document (computes, aliases, webhooks, subscriptions, start marks), RowKey = name."""
SCHEDULES: Final = "schedules"
DELIVERIES: Final = "deliveries"
"""PartitionKey = subscription."""
TABLES: Final = (
    RUNS,
    IDENTITIES,
    RUNS_BY_TIME,
    RUNS_BY_EXPERIMENT,
    RUNS_BY_ENDING,
    OUTBOX,
    GATES,
    DOCUMENTS,
    SCHEDULES,
    DELIVERIES,
)

SUBMISSIONS: Final = "submissions"
WATCH: Final = "watch"
FINISHED: Final = "finished"
NOTIFY: Final = "notify"
DEAD_LETTERS: Final = "deadletters"
"""Where the dead letters of all other queues are forwarded to."""
BURIED: Final = "buried"
QUEUES: Final = (SUBMISSIONS, WATCH, FINISHED, NOTIFY, DEAD_LETTERS, BURIED)
"""The queues that there are beside one for each kind of compute, :func:`dispatch_queue`.
Names: https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftservicebus"""


def dispatch_queue(kind: str) -> str:
    """The queue of a kind of compute."""
    return f"dispatch-{kind}"


SNAPSHOTS: Final = "snapshots"
"""Where snapshots are dropped."""
RUN_FILES: Final = "runs"
"""What runs leave."""
UPLOADS: Final = "uploads"
"""What the API took."""
REGISTERS: Final = "registers"
"""Start registers."""
STAGING: Final = "staging"
"""Parts of blobs that are to be, under hidden names; what nobody commits is removed after a week by a lifecycle rule."""
DEAD_EVENTS: Final = "eventgrid-deadletters"
"""Events that Event Grid could not deliver."""
CONTAINERS: Final = (SNAPSHOTS, RUN_FILES, UPLOADS, REGISTERS, STAGING, DEAD_EVENTS)
