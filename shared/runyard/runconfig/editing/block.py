"""Edits of values that are written by indentation, and of scalars among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runyard.runconfig.editing import scalars
from runyard.runconfig.editing.nodes import Entry, Node, header_end, last_leaf

if TYPE_CHECKING:
    from runyard.runconfig.editing.editor import Editor, Place, Plan

Rendered = tuple[str, list[str]]
"""What stands where the value begins, and the whole lines below it."""


def change(editor: Editor, node: Node, plan: Plan, new: object, place: Place) -> None:
    """Change, add and take away entries of a mapping or list."""
    for entry, old, value in plan.kept:
        editor.change(entry.node, old, value, editor.place_in(node, entry, place))
    for index in plan.dropped:
        node.entries[index].is_dropped = True
    if not new:
        _empty(editor, node, place)
        return
    added = plan.added
    is_compact = not editor.source.is_first(node.content)
    if is_compact and 0 in plan.dropped:
        added = _drop_compact(editor, node, plan, place)
    before = None
    for index, entry in enumerate(node.entries):
        if not entry.is_dropped:
            before = entry.node
        elif index in plan.dropped and (index or not is_compact):
            _drop(editor, entry, before)
    for index, members in added.items():
        _add(editor, node, index, _rendered_members(editor, node, members), place)


def _add(editor: Editor, node: Node, index: int, lines: list[str], place: Place) -> None:
    """Put the lines of new entries before an entry, or behind the last one."""
    source, edits = editor.source, editor.edits
    if index:
        edits.insert_lines(source.next_line(node.entries[index - 1].end), lines, place.depth)
    elif source.is_first(node.content):
        edits.insert_lines(source.line_start(node.content), lines, place.depth)
    else:
        pad = " " * source.column(node.content)
        text = source.eol.join([*lines, pad])
        edits.replace(node.content, node.content, text.removeprefix(pad), place.depth)


def _rendered_members(editor: Editor, node: Node, members: list[tuple[str | None, object]]) -> list[str]:
    column = editor.source.column(node.content)
    lines: list[str] = []
    for key, value in members:
        lines += editor.renderer.item(value, column) if key is None else editor.renderer.entry(key, value, column)
    return lines


def _drop(editor: Editor, entry: Entry, before: Node | None) -> None:
    """Take away the lines of an entry, and those below that would become part of a block scalar before it."""
    source = editor.source
    editor.edits.cut_lines(entry.start, entry.end)
    leaf = None if before is None else last_leaf(before)
    if leaf is None or not leaf.is_block_scalar or leaf.is_changed:
        return
    keeps_blanks = "+" in source.text[leaf.content : header_end(source.text, leaf)]
    start = end = pos = source.next_line(entry.end)
    while pos < len(source.text) and source.is_last(pos):
        begin, following = source.skip_blanks(pos), source.next_line(pos)
        if begin - pos >= leaf.body_indent or (keeps_blanks and begin == source.line_end(pos)):
            end = following
        pos = following
    editor.edits.replace(start, end, "")


def _drop_compact(editor: Editor, node: Node, plan: Plan, place: Place) -> dict[int, list[tuple[str | None, object]]]:
    """Take away the first entries of a mapping or list that begins in the line of its ``-``; returns what is left to add."""
    source, edits, entries = editor.source, editor.edits, node.entries
    first = entries[0]
    if len(plan.dropped) == len(entries):
        lines = [line for members in plan.added.values() for line in _rendered_members(editor, node, members)]
        edits.replace(first.start, source.line_end(first.end), source.eol.join(lines).lstrip(" "))
        return {}
    kept = min(index for index in range(len(entries)) if index not in plan.dropped)
    below = [source.text[source.line_end(entries[at].end) : entries[at + 1].start] for at in range(kept)]
    if not any("#" in gap for gap in below):
        edits.replace(first.start, entries[kept].start, "")
        plan.dropped.difference_update(range(kept))
    else:
        edits.replace(place.after or first.start, source.line_end(first.end), "")
    return plan.added


def _empty(editor: Editor, node: Node, place: Place) -> None:
    """The last entry goes: ``{}`` or ``[]`` stays."""
    source, edits, entries = editor.source, editor.edits, node.entries
    word = "{}" if node.kind == "map" else "[]"
    if place.after is None or source.same_line(place.after, node.content):
        edits.replace(entries[0].start, entries[0].end, word)
        entries = entries[1:]
    else:
        marker = node.properties_end if node.properties_end > node.start else place.after
        edits.replace(marker, marker, f" {word}")
    for entry in entries:
        edits.cut_lines(entry.start, entry.end)


def replace(editor: Editor, node: Node, old: object, new: object, place: Place) -> None:
    """Write a value anew; its anchor and tag, which were the old value's, go."""
    source, edits, after = editor.source, editor.edits, place.after
    if after is None and place.indent >= 0:
        first, rest = _rendered(editor, node, old, new, place)
        lines = [" " * place.indent + (f": {first}" if first else ":"), *rest]  # of a `? key` that had no `:`
        edits.insert_lines(source.next_line(node.end), lines, place.depth)
        return
    start = node.start
    if not source.same_line(node.properties_end, node.content):
        blanks = source.skip_blanks(node.properties_end)
        edits.replace(source.back_over_blanks(start, after or 0), blanks, " " if blanks > node.properties_end else "")
        start = node.content
    is_below = after is None or not source.same_line(after, start)
    if node.is_block and is_below and after is not None:
        _replace_lines(editor, node, _rendered(editor, node, old, new, place), place)
    else:
        column = source.column(start) if is_below or node.is_block else None
        _replace_here(editor, node, start, _rendered(editor, node, old, new, place, column), place)


def _rendered(
    editor: Editor, node: Node, old: object, new: object, place: Place, column: int | None = None
) -> Rendered:
    """The new value, as it stands behind its key or dash; with ``column`` as it stands there at the beginning of a line."""
    if isinstance(new, (dict, list)) and new:
        if column is not None:
            first, *rest = editor.renderer.block(new, column)
            return first.lstrip(" "), rest
        if place.indent < 0:
            return "", editor.renderer.block(new, 0)
        if place.is_item:
            return editor.renderer.item_value(new, place.indent)
        return editor.renderer.value(new, place.indent)
    if isinstance(new, str) and node.is_block_scalar and editor.renderer.style.literals:
        indent = node.body_indent or max(place.indent, 0) + editor.renderer.style.step
        if (written := scalars.literal(new, " " * indent)) is not None:
            return written
    first = editor.leaf(node, old, new, in_flow=False)
    return first or ("null" if place.indent < 0 else ""), []


def _replace_lines(editor: Editor, node: Node, rendered: Rendered, place: Place) -> None:
    """Replace a mapping or list that stands in lines of its own below its key."""
    source, edits = editor.source, editor.edits
    first, rest = rendered
    marker = place.after or 0
    if first:
        edits.replace(marker, marker, f" {first}", place.depth)
    edits.insert_lines(source.line_start(node.content), rest, place.depth)
    edits.cut_lines(node.content, node.end)


def _replace_here(editor: Editor, node: Node, start: int, rendered: Rendered, place: Place) -> None:
    """Replace a value where it begins; what needs lines of its own goes below the last line of the old one."""
    source, edits = editor.source, editor.edits
    first, rest = rendered
    end = node.end
    if node.is_block_scalar:
        end = header_end(source.text, node)
        body = source.next_line(node.content)
        if source.line_start(node.end) >= body:
            edits.replace(body, source.next_line(node.end), "")
    if start == end:
        first = f" {first}" if first else ""
    elif not first and source.is_first(start) and source.skip_blanks(end) == source.line_end(end):
        start, end = source.line_start(start), source.next_line(end)
    elif not first:
        start = source.back_over_blanks(start, place.after or 0)
    blanks = source.skip_blanks(end)
    if "\t" in source.text[end:blanks] and (rest or not first or first.endswith("-")):
        end = blanks  # no tab may stand between a dash and a comment
        first += " "
    edits.replace(start, end, first, place.depth)
    edits.insert_lines(source.next_line(node.end), rest, place.depth)
