"""Subscriptions are added, paused, resumed and removed; their secrets are kept apart."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from runyard.accept.resolve import asked_of
from runyard.computes import resolve
from runyard.dispatch.wakes import BURIED, FINISHED, NOTIFY, SUBMISSIONS, WATCH, dispatch_queue, wake_notify
from runyard.errors import ConfigError, ConflictError, NotFoundError
from runyard.events import template as templates
from runyard.events.addresses import check_url
from runyard.events.endings import MAX_HOPS
from runyard.events.signatures import STANDARD, Signing, check_secret
from runyard.events.submission import Submission
from runyard.ports import Ports, Subscription
from runyard.ports.queue import DEAD_LETTERS
from runyard.runconfig.redact import redacted
from runyard.runs.states import ENDINGS

NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
"""Part of a URL, of a submission's id and of a secret's name, which Key Vault tells apart by nothing but letters, digits, '-'."""
QUEUE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
SOURCES: Final = ("api", "blob", "queue", "schedule", "webhook")
MOST: Final = 100
"""Subscriptions of one service: each is looked at for every ending."""
MOST_TAGS: Final = 49
"""Of a template: a submission has at most 50, and one is ours."""
ROTATION: Final = 24 * 3600.0
"""Seconds for which the secret before signs, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What is asked for; exactly one of ``url`` and ``queue``. The fields are those of a :class:`Subscription`."""

    name: str
    url: str = ""
    queue: str = ""
    template: Mapping[str, object] = field(default_factory=dict)
    experiment: str = ""
    states: Sequence[str] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    sources: Sequence[str] = ()
    secret: str = ""
    """``whsec_<base64>``; only for a URL."""
    allow_http: bool = False
    max_hops: int = MAX_HOPS


def define(ports: Ports, asked: Definition) -> Subscription:
    """Add a subscription: it hears of the endings that are written from now on.

    Raises:
        ConfigError: if something that is asked for cannot be.
        ConflictError: if the name is taken.
        NotFoundError: if the template's snapshot or compute is not there.
    """
    if not NAME.fullmatch(asked.name):
        raise ConfigError(
            f"{asked.name[:60]!r} is not a subscription's name: 1 to 63 lower-case letters, digits or '-'"
        )
    if bool(asked.url) == bool(asked.queue):
        raise ConfigError("say where the events go: a URL, or a queue, and only one of them")
    _check_filters(asked)
    shown = _check_url(asked) if asked.url else ""
    if asked.queue:
        _check_queue(ports, asked)
    if ports.subscriptions.get(asked.name) is not None:
        raise ConflictError(f"there is a subscription {asked.name!r} already; remove it first")
    if len(ports.subscriptions.list()) >= MOST:
        raise ConfigError(f"there are {MOST} subscriptions, and more are not kept; remove one first")
    subscription = Subscription(
        name=asked.name,
        url=shown,
        queue=asked.queue,
        template=dict(asked.template),
        experiment=asked.experiment,
        states=tuple(asked.states),
        tags=dict(asked.tags),
        sources=tuple(asked.sources),
        secret=f"notify-secret-{asked.name}" if asked.url else "",
        address=f"notify-url-{asked.name}" if asked.url else "",
        allow_http=asked.allow_http,
        max_hops=asked.max_hops,
        created=ports.clock.now(),
    )
    if asked.url:
        ports.secrets.set(subscription.secret, asked.secret)
        ports.secrets.set(subscription.address, asked.url)
    ports.deliveries.drop(asked.name)  # of one of that name whose removal was cut short
    ports.subscriptions.put(subscription)
    return subscription


def remove(ports: Ports, name: str) -> None:
    """Remove a subscription, its secrets and its deliveries, those on their way too.

    Raises:
        NotFoundError: if there is none.
    """
    subscription = existing(ports, name)
    ports.subscriptions.remove(name)
    for secret in (subscription.secret, subscription.earlier_secret, subscription.address):
        if secret:
            ports.secrets.remove(secret)
    ports.deliveries.drop(name)


def pause(ports: Ports, name: str, reason: str = "") -> Subscription:
    """Send nothing for now. What happens meanwhile is kept, and sent after :func:`resume`."""
    changed = replace(existing(ports, name), paused=True, paused_reason=reason)
    ports.subscriptions.put(changed)
    return changed


def resume(ports: Ports, name: str) -> Subscription:
    """Send again, first what was kept."""
    changed = replace(existing(ports, name), paused=False, paused_reason="")
    ports.subscriptions.put(changed)
    wake_notify(ports, name)
    return changed


def rotate(ports: Ports, name: str, secret: str) -> Subscription:
    """Sign with another secret; the one before signs too, for a day.

    Raises:
        ConfigError: if the subscription has no secret, or the new one is of another form.
        NotFoundError: if there is no such subscription.
    """
    subscription = existing(ports, name)
    if not subscription.secret:
        raise ConfigError(f"{name} goes to a queue, and nothing is signed there")
    check_secret(Signing(scheme=STANDARD), secret)
    earlier = f"notify-earlier-{name}"
    current = ports.secrets.get(subscription.secret)
    if current is not None and current != secret:
        ports.secrets.set(earlier, current)
    until = ports.clock.now() + ROTATION
    changed = replace(subscription, earlier_secret=earlier, earlier_until=until)
    ports.subscriptions.put(changed)
    ports.secrets.set(subscription.secret, secret)
    return changed


def existing(ports: Ports, name: str) -> Subscription:
    """The subscription.

    Raises:
        NotFoundError: if there is none of this name.
    """
    subscription = ports.subscriptions.get(name)
    if subscription is None:
        raise NotFoundError(f"there is no subscription {name[:60]!r}; `runyard notify list` shows them")
    return subscription


def _check_filters(asked: Definition) -> None:
    for what, given, allowed in (
        ("state", asked.states, sorted(map(str, ENDINGS))),
        ("source", asked.sources, list(SOURCES)),
    ):
        for each in given:
            if each not in allowed:
                raise ConfigError(f"{each[:30]!r} is no {what} to listen for; there are {', '.join(allowed)}")
    if not 1 <= asked.max_hops <= 1000:
        raise ConfigError("the longest chain must be 1 to 1,000 runs that start one another")


def _check_url(asked: Definition) -> str:
    if asked.template:
        raise ConfigError("a template is for the queue submissions; a URL is sent the event as it is")
    check_secret(Signing(scheme=STANDARD), asked.secret)
    return check_url(asked.url, allow_http=asked.allow_http).shown


def _check_queue(ports: Ports, asked: Definition) -> None:
    if not QUEUE.fullmatch(asked.queue):
        raise ConfigError(f"{asked.queue[:60]!r} is not a queue's name: letters, digits, '-', '_' and '.', at most 63")
    own = {WATCH, FINISHED, NOTIFY, BURIED, DEAD_LETTERS, *map(dispatch_queue, ports.targets.kinds())}
    if asked.queue in own or asked.queue.startswith("dispatch-"):
        raise ConfigError(f"the queue {asked.queue} is Runyard's own; name {SUBMISSIONS}, or one of yours")
    if asked.secret:
        raise ConfigError("a queue takes no secret: nothing is signed there")
    if asked.queue == SUBMISSIONS:
        _check_template(ports, asked)
    elif asked.template:
        raise ConfigError(f"a template is for the queue {SUBMISSIONS}; {asked.queue} is sent the event as it is")


def _check_template(ports: Ports, asked: Definition) -> None:
    """Refuse now what every ending would fail with."""
    if not asked.template:
        raise ConfigError(f"say what an ending starts: the queue {SUBMISSIONS} needs a template, or a snapshot")
    templates.check(asked.template)
    if redacted(dict(asked.template)) != dict(asked.template):
        raise ConfigError(
            "the template holds a secret in clear, and a message would carry it: keep it with `runyard secret set NAME`, and "
            "name it under runyard.secrets in the run configuration"
        )
    submission = Submission.of(asked.template)
    if len(submission.tags) > MOST_TAGS:
        raise ConfigError(f"the template has {len(submission.tags)} tags; at most {MOST_TAGS} are allowed")
    if submission.id is not None:
        raise ConfigError("the template has an `id`; leave it out: the ending's own makes a run start once")
    where = asked_of(submission)
    if where.target is not None:
        resolve(ports, where.target)
    if ports.blobs.head(where.container, where.name) is None:
        raise NotFoundError(f"there is no snapshot {where.container}/{where.name}; upload it, or check the name")
