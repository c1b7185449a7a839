"""Dispatchers, watchers, accept, reconciler, cancels and faults, in any order that Hypothesis finds."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from runyard.computes import drain, undrain
from runyard.dispatch.wakes import SUBMISSIONS, WATCH, dispatch_queue
from runyard.ports.queue import DEAD_LETTERS
from runyard.reconcile import reconcile, sweep
from tests.model.world import KIND, World

STOPS = st.none() | st.integers(0, 12)
"""Where a handler stops: at none of its writes, or before or after one of the first."""


class Interleavings(RuleBasedStateMachine):
    """Any of these may happen at any time; :meth:`World.check` holds after each, and all comes to its end after all."""

    world: World

    @initialize(seed=st.integers(0, 1 << 16), limit=st.integers(1, 3), known=st.booleans())
    def begin(self, seed: int, limit: int, known: bool) -> None:
        self.world = World(seed=seed, limit=limit, known_beforehand=known)

    def _say(self, what: str) -> None:
        self.world.story.append(f"{what} at {self.world.clock.now() - 1e9:.1f}")

    @rule(retries=st.integers(0, 1), priority=st.integers(-1, 1))
    def a_snapshot_is_dropped(self, retries: int, priority: int) -> None:
        self._say("drop")
        self.world.drop_blob(retries=retries, priority=priority)

    @rule(retries=st.integers(0, 1), priority=st.integers(-1, 1))
    def a_caller_submits(self, retries: int, priority: int) -> None:
        self._say("api")
        self.world.call_api(retries=retries, priority=priority)

    @rule(retries=st.integers(0, 1), priority=st.integers(-1, 1))
    def a_message_submits(self, retries: int, priority: int) -> None:
        self._say("submission")
        self.world.send_submission(retries=retries, priority=priority)

    @rule(number=st.integers(0, 100))
    def an_event_comes_again(self, number: int) -> None:
        self._say("repeat")
        self.world.repeat_event(number)

    @rule(stop=STOPS)
    def accept_works(self, stop: int | None) -> None:
        self.world.handle(SUBMISSIONS, stop)

    @rule(stop=STOPS)
    def a_dispatcher_works(self, stop: int | None) -> None:
        self.world.handle(dispatch_queue(KIND), stop)

    @rule(stop=STOPS)
    def a_watcher_works(self, stop: int | None) -> None:
        self.world.handle(WATCH, stop)

    @rule(stop=STOPS)
    def a_dead_letter_is_buried(self, stop: int | None) -> None:
        self.world.handle(DEAD_LETTERS, stop)

    @precondition(lambda self: self.world.frozen)
    @rule(number=st.integers(0, 10), places=st.integers(1, 12) | st.just(1000))
    def a_frozen_one_goes_on(self, number: int, places: int) -> None:
        self._say("thaw")
        self.world.thaw(number, places)

    @precondition(lambda self: self.world.frozen)
    @rule(number=st.integers(0, 10))
    def a_frozen_one_is_killed(self, number: int) -> None:
        self._say("kill")
        self.world.kill(number)

    @rule(seconds=st.sampled_from([0.5, 1.0, 2.0, 5.0, 20.0, 61.0, 200.0, 700.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.clock.advance(seconds)
        self._say(f"{seconds} s passed")

    @rule(stop=STOPS)
    def the_reconciler_runs(self, stop: int | None) -> None:
        self._say("reconcile")
        self.world.attempt(lambda: reconcile(self.world.ports), stop)

    @rule(stop=STOPS)
    def the_sweep_runs(self, stop: int | None) -> None:
        self._say("sweep")
        self.world.attempt(lambda: sweep(self.world.ports), stop)

    @rule(number=st.integers(0, 10), force=st.booleans(), stop=STOPS)
    def a_cancel_is_asked_for(self, number: int, force: bool, stop: int | None) -> None:
        self._say("cancel")
        self.world.cancel(number, force=force, stop=stop)

    @rule(limit=st.integers(1, 3), paused=st.booleans(), stop=STOPS)
    def the_compute_changes(self, limit: int, paused: bool, stop: int | None) -> None:
        self._say(f"limit {limit}, paused {paused}")
        self.world.configure(limit, paused=paused, stop=stop)

    @rule(on=st.booleans(), stop=STOPS)
    def the_host_is_drained_or_not(self, on: bool, stop: int | None) -> None:
        self._say(f"drain {on}")
        self.world.attempt(lambda: drain(self.world.ports) if on else undrain(self.world.ports), stop)

    @rule(keep=st.integers(0, 2), stop=STOPS)
    def old_runs_are_pruned(self, keep: int, stop: int | None) -> None:
        self._say("prune")
        self.world.prune(keep=keep, stop=stop)

    @rule(stop=STOPS)
    def another_host_takes_over(self, stop: int | None) -> None:
        self._say("take over")
        self.world.take_over(stop)

    @rule(rate=st.sampled_from([0.0, 0.05, 0.3]))
    def the_weather_changes(self, rate: float) -> None:
        self._say(f"faults {rate}")
        self.world.faults.rate = rate

    @invariant()
    def what_must_hold_holds(self) -> None:
        if hasattr(self, "world"):
            self.world.check()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.settle(lose_messages=self.world.seed % 2 == 0)


# The same examples each time, and no shrinking, which takes minutes here: `python -m tests.model` looks further, and shrinks fast.
Interleavings.TestCase.settings = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    report_multiple_bugs=False,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
TestInterleavings = Interleavings.TestCase
