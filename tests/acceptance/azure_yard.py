"""The yard on Azure's adapters: Azurite and the broker stand-in in the place of SQLite and folders, scripts on this machine.

Kind ``local`` is refused in Azure; here the test itself wires it, as the one compute on which scripts can really run. What a
runner in the cloud does by links is done beside it: the snapshot is fetched, and what the run left is stored.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from runyard.computes import ensure_default
from runyard.errors import RunyardError
from runyard.host import Host, HostOptions
from runyard.ports import BlobStore, Ended, Observation, Plan, TargetContext
from runyard.reconcile import is_known
from runyard.runs.model import Handle, Run
from runyard.services import Services, install, open_azure
from runyard.services.house import teller
from runyard.stores.azure.names import QUEUES, RUN_FILES, SNAPSHOTS, dispatch_queue
from runyard.stores.azure.settings import AzureSettings
from runyard.targets.local.target import LocalTarget
from runyard.targets.registry import Registry
from tests.acceptance.yard import APP, PATIENCE, TOKEN, Yard
from tests.fakes import runconfig, snapshot
from tests.standins.azurite import azurite
from tests.standins.broker import broker
from tests.standins.broker.entities import QueueSettings
from tests.webhooks import Sent, blob_created, cloud_event, grid, structured

DOOR: Final = "event-grid"
"""The webhook that Event Grid's subscription delivers to."""
SECRET: Final = "the-secret-of-the-event-subscription"
NEVER: Final = 3600.0
CARRIED: Final = "carried"
LOG: Final = "azureml-logs/70_driver_log.txt"
_CREATED: Final = "Microsoft.Storage.BlobCreated"


def whole(blobs: BlobStore, container: str, name: str, etag: str | None = None) -> bytes:
    """All of a blob, as it was at ``etag`` if that is given."""
    with closing(blobs.open(container, name, etag=etag)) as reader:
        return reader.read(0, reader.info.size)


class NearTarget(LocalTarget):
    """Runs scripts on this machine; their snapshots come from the blob store, and what they leave goes there."""

    def __init__(self, context: TargetContext) -> None:
        super().__init__(context)
        self._blobs: BlobStore = context.blobs
        self._here = self._root
        self._stored: set[str] = set()

    def submit_many(self, plans: Sequence[Plan]) -> Sequence[Handle | Exception]:
        """Fetch each snapshot, and hand the jobs over."""
        carried: list[Plan | Exception] = []
        for plan in plans:
            try:
                carried.append(self._carried(plan))
            except RunyardError as error:
                carried.append(error)
        answers = iter(super().submit_many([each for each in carried if isinstance(each, Plan)]))
        return [next(answers) if isinstance(each, Plan) else each for each in carried]

    def poll(self, handles: Sequence[Handle]) -> Sequence[Observation]:
        """Observe jobs; what an ended one left is stored before its end is told."""
        seen = super().poll(handles)
        for each in seen:
            if isinstance(each, Ended) and each.outcome != "void" and each.handle.id not in self._stored:
                self._store(each.handle)
                self._stored.add(each.handle.id)
        return seen

    def _carried(self, plan: Plan) -> Plan:
        container, _, name = str(plan.request["snapshot"]).partition("/")
        place = f"{CARRIED}/{plan.name}.zip"
        path = self._here / place
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(whole(self._blobs, container, name, str(plan.request["snapshot_etag"])))
        return replace(plan, request={**plan.request, "snapshot": place, "snapshot_etag": ""})

    def _store(self, handle: Handle) -> None:
        folder = self._here / RUN_FILES / handle.id
        for where, _, names in os.walk(folder):
            for name in names:
                path = Path(where) / name
                if path.is_file() and not path.is_symlink():
                    target = f"{handle.id}/{path.relative_to(folder).as_posix()}"
                    self._blobs.put(RUN_FILES, target, path.read_bytes())


class AzureYard(Yard):
    """What a test does with a host that plays the Functions host over Azure's stores."""

    def __init__(self, root: Path, *, schema: str = "grid", interval: float = NEVER) -> None:
        """Make a yard with an account and a namespace of its own.

        Args:
            root: Where scripts run.
            schema: In which schema Event Grid delivers: ``grid``, ``cloud``, or ``none``: it does not.
            interval: Seconds between two listings of the drop container.
        """
        super().__init__(root)
        self.schema = schema
        self.interval = interval
        letters = QueueSettings(lock=60.0)
        others = replace(letters, forward_dead_letters_to="deadletters")
        queues = {name: letters if name == "deadletters" else others for name in (*QUEUES, dispatch_queue("local"))}
        self.settings = AzureSettings(
            storage_connection=azurite().account().connection,
            bus_connection=broker().namespace(queues).connection,
            secrets_folder=root / "secrets",
        )

    def up(self) -> None:
        services = self._open()
        services.token = TOKEN
        install(services)
        ports = services.ports
        options = HostOptions(
            app_path=APP,
            port=0,
            console=self.lines.append,
            container=True,
            interval=self.interval,
            known=lambda *blob: is_known(ports, *blob),
        )
        self.services = services
        self.host = Host(ports, self.root, TOKEN, options=options)
        self.host.start()
        assert self.host.wait_ready(20)
        definition = {"name": DOOR, "kind": "eventgrid", "blobDrops": True, "secret": SECRET}
        with self.client() as client:
            answer = client.post("/api/webhooks", json=definition)
        assert answer.status_code == 201, answer.text

    def _open(self) -> Services:
        services = open_azure(self.settings, make=True)
        services.entry = None  # loopback only, as every host on one machine
        ports = services.ports
        context = TargetContext(
            blobs=ports.blobs, secrets=ports.secrets, clock=ports.clock, tell=teller(ports.queue), root=self.root
        )
        targets = Registry(context, {"local": f"{__name__}:{NearTarget.__name__}"})
        services._closers.append(targets.close)
        services.ports = replace(ports, targets=targets)
        ensure_default(services.ports, targets.default_compute())
        ports.marks.begin(SNAPSHOTS, 0.0)
        return services

    def put(self, container: str, name: str, data: bytes) -> None:
        """Store a blob; of one in the drop container, Event Grid tells."""
        info = self.ports.blobs.put(container, name, data)
        if container != SNAPSHOTS or self.schema == "none":
            return
        body, headers = self._event(name, info.etag, len(data))
        with self.client(token=None) as stranger:
            answer = stranger.post(f"/api/webhooks/{DOOR}", content=body, headers=headers)
        assert answer.status_code == 202, answer.text

    def _event(self, name: str, etag: str, size: int) -> Sent:
        at = datetime.fromtimestamp(time.time(), UTC).isoformat()
        told = blob_created(name, etag)
        told |= {"id": f"event-{etag}", "eventTime": at, "data": {**told["data"], "contentLength": size}}
        if self.schema == "grid":
            return grid([told], SECRET)
        source, subject = told["topic"], told["subject"]
        event = cloud_event(told["id"], type=_CREATED, source=source, subject=subject, time=at, data=told["data"])
        return structured(event, SECRET)

    def drop(
        self, script: str, name: str = "exp/a.zip", *, files: Mapping[str, str] | None = None, **config: object
    ) -> None:
        """Store a whole zip in the drop container."""
        self.put(SNAPSHOTS, name, snapshot({"train.py": script, **(files or {})}, config=runconfig(**config)))

    def log(self, run: Run) -> bytes:
        """The driver log: of a run that has ended, what the blob store has of it."""
        if self.ports.blobs.head(RUN_FILES, f"{run.id}/{run.attempt}/{LOG}") is None:
            return super().log(run)
        return whole(self.ports.blobs, RUN_FILES, f"{run.id}/{run.attempt}/{LOG}")

    def wait(self, look: Any, seconds: float = 2 * PATIENCE) -> Any:
        """As ever; connections to the broker take their time."""
        return super().wait(look, seconds)


@contextmanager
def running_on_azure(root: Path, *, schema: str = "grid", interval: float = NEVER) -> Iterator[AzureYard]:
    """A host for the time of a block."""
    yard = AzureYard(root, schema=schema, interval=interval)
    try:
        yard.up()
        yield yard
    finally:
        yard.down()
        gc.collect()  # sockets that the SDK left, while the test's filter counts
