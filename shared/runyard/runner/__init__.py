"""The runner: one program on every target, for what happens beside a user's script.

Python 3.6 syntax, the standard library only, relative imports only: :mod:`.build` packs the package into one file.

* ``serve``: the supervisor of one machine (:mod:`.serve`), which carries many attempts at a time;
* ``run``: one attempt to its end (:mod:`.single`).

Both drive the same :class:`.attempt.Attempt`.
"""
