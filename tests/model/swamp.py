"""A compute where jobs may be stuck for ever."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace

from runyard.testing import Behaviour, ScriptedTarget


@dataclass(kw_only=True)
class Swamp(ScriptedTarget):
    """A scripted target some of whose random jobs never get a machine, are never prepared, or never give their files."""

    def _behaviour(self, run_id: str, attempt: int) -> Behaviour:
        behaviour = super()._behaviour(run_id, attempt)
        if self.seed is None:
            return behaviour
        chance = random.Random(f"swamp {self.seed}/{run_id}/{attempt}")
        if chance.random() >= self.trouble / 3:
            return behaviour
        return chance.choice(
            [
                replace(behaviour, provisioning=math.inf),
                replace(behaviour, preparing=math.inf),
                replace(behaviour, finalizing=math.inf),
            ]
        )
