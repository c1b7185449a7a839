"""Any zip: read as the standard library reads it, and never differently by our two readers."""

from __future__ import annotations

import io
import warnings
import zipfile

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.zipreaders import Seen, agree, by_ranges, by_unpacking
from tests.unit.zips import FULL32, LINK, Item, Tail, a, build, extra, plain, unicode_path, zip64_extra

UTF8 = 0x800
QUICK = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])

names = st.text(st.characters(codec="utf-8", exclude_characters="/\\\0:"), min_size=1, max_size=12).filter(
    lambda name: name not in {".", ".."} and len(name.encode()) < 50
)
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
contents = st.binary(max_size=40) | st.integers(0, 5000).map(lambda size: b"ab" * size)


def without_conflicts(files: dict[str, bytes]) -> bool:
    """Whether no file is the folder of another."""
    folders = {name[:at] for name in files for at in range(len(name)) if name[at] == "/"}
    return folders.isdisjoint(files)


trees = st.dictionaries(paths, contents, min_size=1, max_size=6).filter(without_conflicts)


@QUICK
@given(
    files=trees,
    method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    comment=st.binary(max_size=80) | st.just(b"PK\5\6" * 30),
    prefix=st.sampled_from([b"", b"#!/bin/sh\n", b"MZ" * 40_000]),
)
def test_what_the_standard_library_writes_is_read_as_it_was(
    files: dict[str, bytes], method: int, comment: bytes, prefix: bytes
) -> None:
    data = prefix + plain(files, method=method, comment=comment)
    assert by_ranges(data) == Seen(files)
    assert by_unpacking(data) == Seen(files)


def item(name: str, data: bytes, form: int) -> Item:
    """An entry in one of the many legal forms."""
    raw = name.encode()
    later = 8 if form & 1 else 0
    made = a(
        raw, data, method=8 if form & 2 else 0, flags=later | UTF8, descriptor=b"PK\7\x08" + bytes(12) if later else b""
    )
    packed = len(made.stored)
    wide = {
        0: {},
        4: {"size": FULL32, "extra": zip64_extra(len(data))},
        8: {"packed": FULL32, "extra": extra(0x5455, b"times") + zip64_extra(packed)},
        12: {"size": FULL32, "packed": FULL32, "extra": zip64_extra(len(data), packed) + unicode_path(raw, name)},
    }[form & 12]
    return a(
        raw, data, method=made.method, flags=made.flags, descriptor=made.descriptor, gap=b"g" * (form & 16), **wide
    )


@QUICK
@given(
    files=trees,
    forms=st.lists(st.integers(0, 31), min_size=6, max_size=6),
    zip64=st.booleans(),
    backwards=st.booleans(),
    comment=st.binary(max_size=30),
    prefix=st.binary(max_size=30).filter(lambda data: not data.startswith(b"PK\3\4")),
)
def test_what_other_programs_write_is_read_as_the_standard_library_reads_it(
    files: dict[str, bytes], forms: list[int], zip64: bool, backwards: bool, comment: bytes, prefix: bytes
) -> None:
    items = [item(name, content, form) for (name, content), form in zip(files.items(), forms, strict=False)]
    data = build(items, Tail(zip64=zip64, comment=comment), prefix=prefix, backwards=backwards)
    expected = Seen(by_zipfile(data))
    assert by_ranges(data) == expected == by_unpacking(data)


def by_zipfile(data: bytes) -> dict[str, bytes]:
    with warnings.catch_warnings(), zipfile.ZipFile(io.BytesIO(data)) as archive:
        warnings.simplefilter("ignore")
        return {info.filename: archive.read(info) for info in archive.infolist() if not info.is_dir()}


SOUND = [
    build(
        [
            a("a.py", b"print(1)\n" * 9, method=8),
            a("d/", b""),
            a("d/x.runconfig", b"script: a.py\n"),
            a("d/l", b"x.runconfig", mode=LINK),
            a("caf\u00e9", b"", flags=UTF8 | 8, descriptor=b"PK\7\x08" + bytes(12)),
        ],
        Tail(comment=b"c"),
    ),
    build(
        [a("a", b"1" * 30, size=FULL32, extra=zip64_extra(30)), a("b", extra=unicode_path(b"b", "c"))], Tail(zip64=True)
    ),
    build([a("inner.zip", build([a("x")]))]),
    build([a("b"), a("a/b")], backwards=True),
]

changes = st.lists(
    st.tuples(st.integers(0, 1000), st.one_of(st.integers(0, 255), st.sampled_from([0, 1, 8, 46, 47, 80, 92, 255]))),
    min_size=1,
    max_size=6,
)
pieces = st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1000)), max_size=2)


@settings(QUICK, max_examples=1500)
@given(which=st.integers(0, len(SOUND) - 1), changed=changes, moved=pieces)
def test_a_damaged_zip_is_read_alike_or_refused(
    which: int, changed: list[tuple[int, int]], moved: list[tuple[int, int, int]]
) -> None:
    data = bytearray(SOUND[which])
    for at, value in changed:
        data[at % len(data)] = value
    for begin, length, to in moved:  # a piece of the zip, copied elsewhere
        part = data[begin % len(data) :][: length % 120]
        data[to % len(data) : to % len(data)] = part
    agree(bytes(data))


@settings(QUICK, max_examples=400)
@given(st.binary(max_size=400) | st.binary(max_size=60).map(lambda data: b"PK\3\4" + data + SOUND[0][-60:]))
def test_any_bytes_are_a_zip_or_refused(data: bytes) -> None:
    agree(data)


def test_a_zip_cut_anywhere_is_refused() -> None:
    for data in SOUND:
        for length in range(len(data)):
            assert by_ranges(data[:length]).refusal
            assert by_unpacking(data[:length]).refusal


def test_a_zip_with_any_byte_changed_is_read_alike_or_refused() -> None:
    for data in SOUND[:2]:
        for at in range(len(data)):
            for value in (0, 255, data[at] ^ 1):
                agree(data[:at] + bytes([value]) + data[at + 1 :])
