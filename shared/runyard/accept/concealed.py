"""What of a submission and of its job is secret goes into the service's secrets before the run's row is written.

The row names it (``Run.secret``). Each try writes a secret of its own and never changes one, so that two deliveries of one event
cannot mix theirs; what no row names in the end is removed at once, or, after a crash, by ``reconcile``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace as replace_webhook
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from runyard.errors import ConfigError
from runyard.ports import Ports, Webhook, kept_of
from runyard.runconfig.concealed import conceal, reveal
from runyard.runconfig.redact import redacted, redacted_text
from runyard.runner.sealed import UnfitError
from runyard.runs.identity import secret_name
from runyard.runs.kept import Kept, encode
from runyard.runs.model import JobSpec, Run

_OPEN: Final = ("schema", "id", "experiment", "snapshot", "target", "priority")
"""Fields of a submission that say which event, which snapshot and where: they are shown, and looked for."""
_HOLDERS: Final = (str, dict, list, tuple)
"""What may be or hold a text. All else at the top of a submission or a job is a figure of our own."""
_OF_TEMPLATE: Final = "template-"
_OPEN_OF_JOB: Final = ("framework", "secrets", "fallback", "runconfig")
"""Fields of a job that the use cases go by, or that only people read."""


def concealed(ports: Ports, run: Run, marked: Iterable[str] = ()) -> Run:
    """The run as its row may hold it, once what it masks is among the secrets. Nothing is written if it holds none.

    Args:
        ports: The outside.
        run: With its whole submission, and, once it is resolved, its whole job.
        marked: Names of variables that its run configuration marks as secret.

    Raises:
        StorageFullError: if there is no room for the secrets.
    """
    request, of_request = _without(run.request, _OPEN, marked)
    spec, of_spec = _concealed_job(run.spec, marked)
    run = replace(
        run,
        request=request,
        spec=spec,
        tags=_shown(run.tags),
        display_name=redacted_text(run.display_name),
    )
    if not of_request and not of_spec:
        return run if not run.secret else replace(run, secret="")
    name = secret_name(run.id)
    kept = Kept(run=run.id, at=ports.clock.now(), request=of_request, spec=of_spec)
    ports.secrets.set(name, encode(kept))
    return replace(run, secret=name)


def forget(ports: Ports, run: Run) -> None:
    """Remove the secrets of a run whose row is gone, was never written, or names others. Repeatable."""
    if run.secret:
        ports.secrets.remove(run.secret)


def forget_unless_named(ports: Ports, run: Run) -> None:
    """Remove the secrets of a run that was not created just now, unless its row names them. Repeatable.

    It may have been created by our own write, whose reply was lost and which was sent again.
    """
    if run.secret:
        row = ports.runs.get(run.id)
        if row is None or row.secret != run.secret:
            forget(ports, run)


def whole_request(ports: Ports, run: Run) -> dict[str, object]:
    """The submission as it was made.

    Raises:
        ConfigError: if its secrets are gone.
    """
    kept = kept_of(ports.secrets, run.secret, run.id)
    try:
        return dict(reveal(run.request, kept.request))
    except UnfitError:
        raise ConfigError(f"the secrets of {run.id} do not fit its submission; submit it anew") from None


def concealed_template(ports: Ports, webhook: Webhook) -> Webhook:
    """A webhook as its row may hold it, once what its template masks is among the secrets."""
    submission, secret = concealed_submission(ports, webhook.submission, f"{_OF_TEMPLATE}{webhook.name}")
    return replace_webhook(webhook, submission=submission, template_secret=secret)


def concealed_submission(ports: Ports, submission: Mapping[str, object], name: str) -> tuple[dict[str, object], str]:
    """A template as a row may hold it, and the name of the secret that holds what is masked; empty if nothing is.

    Args:
        ports: The outside.
        submission: The whole template.
        name: Of the secret: one that no other row has, as it is never changed.
    """
    masked, values = _without(submission, _OPEN, ())
    if values:
        ports.secrets.set(name, msgspec.json.encode(values).decode())
    return masked, name if values else ""


def whole_submission(ports: Ports, submission: Mapping[str, object], name: str, whose: str) -> dict[str, object]:
    """A template as it was given; ``whose`` says so in the error.

    Raises:
        ConfigError: if its secrets are gone.
    """
    if not name:
        return dict(submission)
    text = ports.secrets.get(name)
    try:
        return dict(reveal(submission, msgspec.json.decode(text or "", type=dict[str, Any])))
    except (msgspec.DecodeError, UnfitError):
        raise ConfigError(f"the secrets of the template of {whose} are missing; define it again") from None


def whole_template(ports: Ports, webhook: Webhook) -> dict[str, object]:
    """A webhook's template as it was given.

    Raises:
        ConfigError: if its secrets are gone.
    """
    return whole_submission(ports, webhook.submission, webhook.template_secret, f"webhook {webhook.name!r}")


def _concealed_job(spec: JobSpec | None, marked: Iterable[str]) -> tuple[JobSpec | None, dict[str, Any]]:
    if spec is None:
        return None, {}
    masked, values = _without(msgspec.to_builtins(spec), _OPEN_OF_JOB, marked)
    return (msgspec.convert(masked, JobSpec), values) if values else (spec, values)


def _without(
    document: Mapping[str, Any], kept_open: Iterable[str], marked: Iterable[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A document with its secrets masked, but for the fields that stay; and the secrets."""
    searched = {key: value for key, value in document.items() if isinstance(value, _HOLDERS) and key not in kept_open}
    masked, values = conceal(searched, marked)
    return ({**document, **masked} if values else dict(document)), values


def _shown(tags: Mapping[str, str]) -> dict[str, str]:
    masked = redacted(tags)
    assert isinstance(masked, dict)
    return masked
