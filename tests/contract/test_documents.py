"""What every store of computes and of webhooks promises."""

from __future__ import annotations

from runyard.events.signatures import Signing
from runyard.ports import Compute, ComputeStore, Webhook, WebhookSecret, WebhookStore

GPU = Compute(name="gpu", kind="local", limit=2, options={"python": "/opt/ü", "deep": {"a": [1, None]}})
HOOK = Webhook(
    name="push",
    kind="hmac",
    secrets=(
        WebhookSecret(id="2", name="webhook2-push", created=2.0),
        WebhookSecret(id="1", name="webhook-push", until=9.5),
    ),
    signing=Signing(scheme="stripe", encoding="base64", tolerance=60.0),
    id_pointer="/id",
    submission={"target": "gpu"},
    events=("push",),
    paused=True,
)


def test_a_compute_comes_back_as_it_was_put(computes: ComputeStore) -> None:
    computes.put(GPU)
    assert computes.get("gpu") == GPU
    assert computes.get("nobody") is None


def test_putting_a_compute_again_replaces_it(computes: ComputeStore) -> None:
    computes.put(GPU)
    newer = Compute(name="gpu", kind="local", limit=9, paused=True)
    computes.put(newer)
    assert list(computes.list()) == [newer]


def test_computes_are_listed_by_name(computes: ComputeStore) -> None:
    for name in ("b", "c", "a"):
        computes.put(Compute(name=name, kind="local", limit=1))
    assert [compute.name for compute in computes.list()] == ["a", "b", "c"]


def test_removing_a_compute_tells_whether_it_was_there(computes: ComputeStore) -> None:
    computes.put(GPU)
    assert computes.remove("gpu")
    assert not computes.remove("gpu")
    assert list(computes.list()) == []


def test_an_alias_is_another_name_that_get_does_not_follow(computes: ComputeStore) -> None:
    computes.put(GPU)
    computes.set_alias("old-cluster", "gpu")
    assert dict(computes.aliases()) == {"old-cluster": "gpu"}
    assert computes.get("old-cluster") is None
    assert list(computes.list()) == [GPU]


def test_an_alias_can_be_changed_and_removed(computes: ComputeStore) -> None:
    computes.set_alias("b", "gpu")
    computes.set_alias("a", "gpu")
    computes.set_alias("a", "cpu")
    assert list(computes.aliases().items()) == [("a", "cpu"), ("b", "gpu")]
    computes.set_alias("a", None)
    computes.set_alias("nobody", None)
    assert dict(computes.aliases()) == {"b": "gpu"}


def test_a_webhook_comes_back_as_it_was_put(webhooks: WebhookStore) -> None:
    webhooks.put(HOOK)
    assert webhooks.get("push") == HOOK
    assert webhooks.get("nobody") is None


def test_webhooks_are_replaced_listed_by_name_and_removed(webhooks: WebhookStore) -> None:
    newer = Webhook(name="push", kind="github", created=5.0)
    first = Webhook(name="a", kind="github")
    for webhook in (HOOK, newer, first):
        webhooks.put(webhook)
    assert list(webhooks.list()) == [first, newer]
    assert webhooks.remove("push")
    assert not webhooks.remove("push")
    assert list(webhooks.list()) == [first]


def test_a_compute_and_a_webhook_may_share_a_name(computes: ComputeStore, webhooks: WebhookStore) -> None:
    computes.put(Compute(name="push", kind="local", limit=1))
    webhooks.put(HOOK)
    assert computes.remove("push")
    assert webhooks.get("push") == HOOK
