"""A zip is read by a few ranges: what it holds, as its writer meant it."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from typing import Any

import pytest

from runyard.errors import SnapshotError
from runyard.runconfig.locate import choose, keeper
from runyard.snapshot import archive as module
from tests.unit.test_runconfig_yaml12 import reference
from tests.unit.zipreaders import by_ranges, by_unpacking, opened
from tests.unit.zips import FULL32, Item, Tail, a, build, deflated, extra, link, plain, unicode_path, zip64_extra

RUNCONFIG = b"script: train.py\ntarget: local\n" * 20
UTF8 = 0x800


def test_a_small_zip_is_read_once() -> None:
    files = {"train.py": b"print(1)\n", "aml_config/local.runconfig": RUNCONFIG, "empty/": b"", "none.txt": b""}
    archive, ranges = opened(plain(files))
    assert archive.names == ("train.py", "aml_config/local.runconfig", "none.txt")
    for name in archive.names:
        assert files[name] == archive.read(archive.entries[name], 10_000)
    assert (archive.files, archive.uncompressed) == (3, 9 + len(RUNCONFIG))
    assert len(ranges.calls) == 1


def test_find_gives_files_that_were_not_kept_without_a_read() -> None:
    archive, ranges = opened(plain({"d/a": b"1", "b": b"2"}), lambda name: name == "b")
    assert archive.names == ("b",)
    found = archive.find("d/a", "b", "d", "nothing")
    assert list(found) == ["d/a", "b"]
    assert archive.read(found["d/a"], 10) == b"1"
    assert len(ranges.calls) == 1


def test_the_sdks_own_snapshot_is_read() -> None:
    path = reference() / "snapshots" / "snapshot-0.1.59-gitignore-only.zip"
    archive, ranges = opened(path.read_bytes(), keeper())
    name = choose(archive.names)
    with zipfile.ZipFile(path) as expected:
        assert expected.read(name) == archive.read(archive.entries[name], 1 << 20)
        assert archive.files == sum(not info.is_dir() for info in expected.infolist())
        assert archive.uncompressed == sum(info.file_size for info in expected.infolist())
    assert len(ranges.calls) == 1


def streamed(*, zip64: bool = False) -> bytes:
    """A zip by a writer that cannot go back: checksum and sizes follow the data."""

    class Unseekable(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_args: int) -> int:
            raise io.UnsupportedOperation

        def tell(self) -> int:
            raise io.UnsupportedOperation

    out = Unseekable()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(zipfile.ZipInfo("a"), "w", force_zip64=zip64) as file,
    ):
        file.write(b"content")
    return out.getvalue()


FULL: dict[str, Any] = {"size": FULL32, "packed": FULL32, "offset": FULL32}
CRC = struct.pack("<L", zlib.crc32(b"content"))
SIZES, WIDE = struct.pack("<2L", 7, 7), struct.pack("<2Q", 7, 7)
FORMS = {
    "stored": build([a()]),
    "deflated": build([a(method=8)]),
    "a comment": build([a()], Tail(comment=b"c" * 65_535)),
    "a comment like an end": build([a()], Tail(comment=b"PK\5\6" * 5000)),
    "a comment with an empty zip": build([a()], Tail(comment=b"x" * 40_000 + b"PK\5\6" + bytes(18))),
    "a comment with locators": build([a()], Tail(comment=b"PK\6\7" * 5000)),
    "an entry's comment like a locator": build([a(comment=b"PK\6\7" + bytes(16))]),
    "comments of entries": build([a(comment=b"PK\1\2" * 9), a("b", comment=b"x" * 65_535)]),
    "zip64": build([a()], Tail(zip64=True)),
    "zip64 with data of its own": build([a()], Tail(zip64=True, zip64_data=bytes(5000))),
    "zip64 far before the tail": build([a()], Tail(zip64=True, zip64_data=bytes(90_000), comment=b"c" * 65_535)),
    "zip64 behind a stub": build([a()], Tail(zip64=True), prefix=b"#!/bin/sh\n" * 99),
    "zip64 behind a large stub": build([a()], Tail(zip64=True), prefix=b"MZ" * 60_000),
    "zip64 of no use": build([a()], Tail(zip64=True, count=1, here=1)),
    "zip64 size": build([a(size=FULL32, extra=zip64_extra(7))]),
    "zip64 packed size": build([a(packed=FULL32, extra=zip64_extra(7))]),
    "zip64 sizes": build([a(size=FULL32, packed=FULL32, extra=extra(99, b"x" * 9) + zip64_extra(7, 7))]),
    "zip64 place": build([a("x"), a(offset=FULL32, extra=zip64_extra(30 + 1 + 7))]),
    "zip64 everything": build([a(**FULL, extra=zip64_extra(7, 7, 0))]),
    "zip64 with a disk": build([a(disk=0xFFFF, **FULL, extra=extra(1, struct.pack("<3QL", 7, 7, 0, 0)))]),
    "zip64 in the header too": build([a(local_size=FULL32, local_packed=FULL32, local_extra=zip64_extra(7, 7))]),
    "a descriptor": build([a(flags=8, descriptor=CRC + SIZES), a("b")]),
    "a descriptor with its mark": build([a(flags=8, method=8, descriptor=b"PK\7\x08" + CRC + SIZES), a("b")]),
    "a zip64 descriptor": build([a(flags=8, descriptor=CRC + WIDE), a("b")]),
    "a zip64 descriptor with its mark": build([a(flags=8, descriptor=b"PK\7\x08" + CRC + WIDE), a("b")]),
    "a stream": streamed(),
    "a zip64 stream": streamed(zip64=True),
    "a stub": build([a()], prefix=b"#!/bin/sh\nexit\n"),
    "a stub that offsets know of": build([a(gap=b"#!/bin/sh\nexit\n")]),
    "gaps": build([a("b"), a(gap=bytes(99), local_extra=extra(0xD935, bytes(700)))]),
    "a span's mark that is none": build([a(gap=b"PK00")]),
    "padding": build([a()], Tail(padding=bytes(490))),
    "a line break": build([a()], Tail(padding=b"\r\n")),
    "a signed directory": build([a()], Tail(after_directory=b"PK\5\5" + b"\x14\0" + bytes(20))),
    "a longer signature": build([a()], Tail(after_directory=b"PK\5\5" + b"\xe8\3" + bytes(1000))),
    "a deleted file": build([a("gone", b"x" * 99, hidden=True), a()]),
    "folders": build([a("d/", b""), a("d/", b""), a("./", b""), a("d/e", b""), a("java/", b"", packed_data=b"\3\0", method=8), a()]),
    "another order": build([a("b"), a(), a("c", method=8)], backwards=True),
}  # fmt: skip


@pytest.mark.parametrize("data", FORMS.values(), ids=FORMS)
def test_every_form_of_a_zip_is_read_alike_by_both_readers(data: bytes) -> None:
    seen = by_ranges(data)
    assert seen.refusal == ""
    assert seen.files["a"] == b"content"
    assert seen == by_unpacking(data)
    assert len(opened(data)[1].calls) <= 3


NAMES: dict[str, tuple[Item, str]] = {
    "UTF-8": (a("caf\u00e9", flags=UTF8), "caf\u00e9"),
    "UTF-8 of Unix, unsaid": (a("caf\u00e9"), "caf\u00e9"),
    "UTF-8 of macOS, unsaid": (a("cafe\u0301", system=19), "cafe\u0301"),
    "code page 437": (a(b"caf\x82", system=0), "caf\u00e9"),
    "code page 437 of Unix": (a(b"caf\x82"), "caf\u00e9"),
    "a Unicode path": (a(b"caf?", extra=extra(7, b"up") + unicode_path(b"caf?", "caf\u00e9")), "caf\u00e9"),
    "a Unicode path of another name": (a(b"cafe", extra=unicode_path(b"caf?", "caf\u00e9")), "cafe"),
    "a Unicode path of another version": (a(b"x", extra=unicode_path(b"x", "y").replace(b"\1", b"\2")), "x"),
    "a Unicode path beside the flag": (a("x", flags=UTF8, extra=unicode_path(b"x", "y")), "x"),
    "a dot in front": (a("./b/./c"), "b/c"),
    "two slashes": (a("b//c"), "b/c"),
    "backslashes": (a("b\\c"), "b/c"),
    "dots": (a(".azureml/..x/y../..."), ".azureml/..x/y../..."),
    "a colon": (a("10:30.csv"), "10:30.csv"),
    "a space and a line break": (a(" a\nb "), " a\nb "),
    "255 bytes": (a("\u00e4" * 127, flags=UTF8), "\u00e4" * 127),
    "200 parts": (a("d/" * 199 + "x"), "d/" * 199 + "x"),
}


@pytest.mark.parametrize(("item", "name"), NAMES.values(), ids=NAMES)
def test_names_are_read_as_they_were_meant(item: Item, name: str) -> None:
    data = build([item])
    assert by_ranges(data).files == {name: b"content"}
    assert by_unpacking(data).files == {name: b"content"}


def test_names_that_differ_by_case_are_two_files() -> None:
    data = build([a("A"), a("a", b"other")])
    assert by_ranges(data).files == by_unpacking(data).files == {"A": b"content", "a": b"other"}


def test_a_link_is_told_as_one_and_not_read() -> None:
    archive, _ = opened(build([link("aml_config/l.runconfig", b"../x.runconfig"), a("x.runconfig")]), keeper())
    entry = archive.entries["aml_config/l.runconfig"]
    assert entry.is_link
    with pytest.raises(
        SnapshotError, match=r"'aml_config/l\.runconfig' in the snapshot is a symbolic link; put the file"
    ):
        archive.read(entry, 100)


def test_what_is_too_large_is_not_read() -> None:
    archive, ranges = opened(build([a("x" * 10, bytes(50_000_000), method=8), a("y", bytes(100_000))]))
    calls = len(ranges.calls)
    for name, size in (("x" * 10, "50,000,000"), ("y", "100,000")):
        with pytest.raises(
            SnapshotError, match=f"'{name}' in the snapshot has {size} bytes; at most 1,000 are allowed"
        ):
            archive.read(archive.entries[name], 1000)
    assert len(ranges.calls) == calls


def test_a_bomb_that_lies_about_its_size_is_not_inflated_beyond_it() -> None:
    bomb = deflated(bytes(50_000_000))
    archive, _ = opened(build([a("bomb", method=8, packed_data=bomb, size=500_000, local_size=500_000)]))
    with pytest.raises(SnapshotError, match="'bomb' in the snapshot is damaged: it does not end where"):
        archive.read(archive.entries["bomb"], 1 << 20)


def test_a_blob_that_shrinks_while_it_is_read_is_named() -> None:
    data = plain({"a": random.Random(1).randbytes(100_000), "b": b"1"}, method=zipfile.ZIP_STORED)
    archive, ranges = opened(data)
    ranges.data = data[:1000]
    with pytest.raises(SnapshotError, match=r"x\.zip: the snapshot is truncated, or it changed while it was read"):
        archive.read(archive.entries["a"], 1 << 20)


def test_two_ways_to_read_a_zip_are_one_too_many() -> None:
    inner = plain({"a": b"evil"})
    data = build([a()], Tail(comment=b"xyz" + inner))
    assert "can be read in two ways: several end records fit" in by_ranges(data).refusal
    assert "can be read in two ways: several end records fit" in by_unpacking(data).refusal


def test_a_zip_of_folders_holds_no_files() -> None:
    assert by_ranges(plain({"folder/": b""})).refusal == "x.zip: the snapshot holds no files"
    assert by_ranges(plain({})).refusal == "x.zip: the snapshot holds no files"


def test_more_run_configurations_than_anyone_has_are_refused() -> None:
    data = build([a(f"x/aml_config/{n}", b"") for n in range(6000)])
    assert opened(data)[0].files == 6000
    with pytest.raises(SnapshotError, match="too many files where run configurations lie, such as 'x/aml_config/"):
        opened(data, keeper())


def test_a_directory_larger_than_a_chunk_is_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 200_000)
    files = {f"data/part-{index:05}-{'n' * 40}.csv": b"" for index in range(4_000)}
    files["aml_config/local.runconfig"] = RUNCONFIG
    files |= {f"more/part-{index:05}-{'n' * 40}.csv": b"" for index in range(1_000)}
    archive, ranges = opened(plain(files), keeper())
    assert archive.files == 5_001
    assert archive.read(archive.entries["aml_config/local.runconfig"], 10_000) == RUNCONFIG
    reads = len(ranges.calls)
    assert reads <= 8
    name = f"more/part-00999-{'n' * 40}.csv"
    assert archive.read(archive.find(name)[name], 10) == b""
    assert len(ranges.calls) <= reads + 2
    assert max(length for _, length in ranges.calls) < 400_000


def test_too_many_entries_are_refused_without_reading_them() -> None:
    data = build([a()], Tail(zip64=True, zip64_count=200_001))
    assert "the snapshot has 200001 entries; at most 200000 are allowed" in by_ranges(data).refusal
