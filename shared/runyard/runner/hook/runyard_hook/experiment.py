"""The experiment that a run belongs to."""

_NO_WORKSPACE = (
    "there is no workspace here: Runyard gives a script its run alone; pass paths as arguments, and secrets as environment "
    "variables"
)


class Experiment:
    """The experiment that a run belongs to: its name."""

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return "Experiment(%r)" % self.name

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        if name in ("workspace", "workspace_object"):
            raise AttributeError("the experiment has no workspace: " + _NO_WORKSPACE)
        raise AttributeError(
            "Runyard's experiment has a name alone, no %s; `runyard runs --experiment` lists its runs" % name
        )
