"""A script whose supervisor was killed before it could note the process: whether there is one, and how it ended.

The supervisor's keeper is a witness. It inherits every script that the supervisor left, and notes how one ended before
it reaps it. A script is known by its variables while it lives, and by its tag until it is reaped and in its note. As long
as that keeper is there, a script that is none of its children and in none of the notes never started. Where there are no
tags, what is left must be told apart by when it began.
"""

from typing import Callable, NamedTuple, Tuple

from . import codes, hunt, process, register

ALIVE, ENDED, NEVER, UNCLEAR = "alive", "ended", "never", "unclear"

NOBODY = (0, 0)


class Finding(NamedTuple):
    """What is known of the script."""

    word: str
    ident: codes.Ident = NOBODY


def look(
    quarry: hunt.Quarry, won: register.Won, before: int, root: str, claimed: Callable[[codes.Ident], bool]
) -> Finding:
    """Look for the script of the attempt whose register was ``won`` like that, in this boot.

    Args:
        quarry: Of the attempt.
        won: What its register says.
        before: The tick at which another supervisor looked for the first time: the script, if any, began before.
        root: The root folder.
        claimed: Whether a process is the script of an attempt that is known to have it.

    Returns:
        ``alive`` or ``ended`` and the process; ``never`` if it was not started; ``unclear`` if that cannot be told, perhaps
        not yet.
    """
    # In this order: what leaves the children meanwhile is in the notes by then.
    leaders = _leaders(won.keeper)
    inherited = [ident for ident in leaders if won.tick <= ident[1] < before and not claimed(ident)]
    alive = hunt.find_script(quarry)
    if alive[0]:
        return Finding(ALIVE, alive)
    tagged = [ident for ident in leaders if process.tag_of(ident[0]) == quarry.tag]
    tagged += [ident for ident, code in codes.every(root, won.boot) if code.tag == quarry.tag]
    if tagged:
        return Finding(ENDED, tagged[0])  # a zombie or a note: either tells how it ended
    noted = {
        ident: code
        for ident, code in codes.every(root, won.boot)
        if won.tick <= ident[1] < before and code.tag != process.BUILDER_TAG and not claimed(ident)
    }
    if inherited or process.is_there(*won.supervisor):
        return Finding(UNCLEAR)  # one may become the script, or be noted, any moment; or be a child of another script
    fitting = [ident for ident, code in noted.items() if ident[1] <= code.orphaned]
    if len(fitting) == 1:
        return Finding(ENDED, fitting[0])
    return Finding(UNCLEAR if noted or not process.is_there(*won.keeper) else NEVER)


def _leaders(keeper: codes.Ident) -> Tuple[codes.Ident, ...]:
    """The children of a keeper that lead their sessions, as every script does, dead or alive."""
    if not process.is_there(*keeper):
        return ()
    stats = [(pid, process.read_stat(pid)) for pid in process.children(keeper[0])]
    leaders = [(pid, found.start) for pid, found in stats if found is not None and found.session == pid]
    return tuple(ident for ident in leaders if process.tag_of(ident[0]) != process.BUILDER_TAG)
