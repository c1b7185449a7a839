"""A zip of any size is read by a few ranges, and nothing it says of itself is believed unchecked."""

import contextlib
import io
import random
import struct
import tracemalloc
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runyard.errors import SnapshotError
from runyard.runconfig.locate import choose, keeper
from runyard.snapshot import archive as module
from runyard.snapshot.archive import Archive, open_archive
from tests.unit.test_runconfig_yaml12 import reference

RUNCONFIG = b"script: train.py\ntarget: local\n" * 20
Files = dict[str, bytes]


class Ranges:
    """Bytes that count how they are read."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.calls: list[tuple[int, int]] = []

    def __call__(self, offset: int, length: int) -> bytes:
        assert offset >= 0
        assert length >= 0
        self.calls.append((offset, length))
        return self.data[offset : offset + length]

    @property
    def bytes(self) -> int:
        return sum(length for _, length in self.calls)


def zipped(files: Files, *, method: int = zipfile.ZIP_DEFLATED, comment: bytes = b"") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.comment = comment
    return out.getvalue()


def opened(data: bytes, keep: Callable[[str], bool] | None = None) -> tuple[Archive, Ranges]:
    ranges = Ranges(data)
    if keep is None:
        return open_archive(ranges, len(data), name="x.zip"), ranges
    return open_archive(ranges, len(data), name="x.zip", keep=keep), ranges


def read_all(data: bytes, limit: int = 1 << 20) -> None:
    archive, _ = opened(data)
    for entry in archive.entries.values():
        archive.read(entry, limit)
    archive.find("a.py", "nothing")


def fault(data: bytes) -> str:
    with pytest.raises(SnapshotError) as caught:
        read_all(data)
    assert "\n" not in caught.value.message
    assert caught.value.message.startswith("x.zip")
    return caught.value.message


def patched(data: bytes, mark: bytes, at: int, value: bytes, *, last: bool = False) -> bytes:
    begin = (data.rindex(mark) if last else data.index(mark)) + at
    return data[:begin] + value + data[begin + len(value) :]


def test_a_small_zip_is_read_once() -> None:
    files = {"train.py": b"print(1)\n", "aml_config/local.runconfig": RUNCONFIG, "empty/": b"", "none.txt": b""}
    archive, ranges = opened(zipped(files))
    assert archive.names == ("train.py", "aml_config/local.runconfig", "none.txt")
    for name in archive.names:
        assert files[name] == archive.read(archive.entries[name], 10_000)
    assert (archive.files, archive.uncompressed) == (3, 9 + len(RUNCONFIG))
    assert len(ranges.calls) == 1


@pytest.mark.parametrize("comment", [b"", b"c" * 65_535, b"PK\x05\x06" * 100])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_comments_and_methods(comment: bytes, method: int) -> None:
    archive, ranges = opened(zipped({"a": RUNCONFIG}, method=method, comment=comment))
    assert archive.read(archive.entries["a"], 10_000) == RUNCONFIG
    assert len(ranges.calls) <= 2


def test_data_descriptors_and_a_stream_in_front() -> None:
    class Unseekable(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_args: int) -> int:
            raise io.UnsupportedOperation

        def tell(self) -> int:
            raise io.UnsupportedOperation

    out = Unseekable()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", RUNCONFIG)
    for data in (out.getvalue(), b"#!/bin/sh\n" + out.getvalue()):
        read, _ = opened(data)
        assert read.read(read.entries["a"], 10_000) == RUNCONFIG


def test_zip64_is_read() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        with archive.open("big", "w", force_zip64=True) as file:
            file.write(RUNCONFIG)
        for index in range(65_600):
            archive.writestr(f"{index}", b"")
    read, ranges = opened(out.getvalue(), keep=lambda name: name == "big")
    assert read.read(read.entries["big"], 10_000) == RUNCONFIG
    assert read.files == 65_601
    assert len(ranges.calls) == 3


def test_sizes_in_the_zip64_extra_field_are_read() -> None:
    data = zipped({"a": RUNCONFIG}, method=zipfile.ZIP_STORED)
    at = data.index(b"PK\x01\x02")
    extra = struct.pack("<HHQQQ", 1, 24, len(RUNCONFIG), len(RUNCONFIG), 0)
    entry = bytearray(data[at : data.index(b"PK\x05\x06")])
    entry[20:28] = entry[42:46] * 0 + b"\xff" * 8
    entry[42:46] = b"\xff" * 4
    entry[30:32] = struct.pack("<H", len(extra))
    end = bytearray(data[data.index(b"PK\x05\x06") :])
    end[12:16] = struct.pack("<L", len(entry) + len(extra))
    archive, _ = opened(data[:at] + bytes(entry) + extra + bytes(end))
    assert archive.read(archive.entries["a"], 10_000) == RUNCONFIG
    entry[30:32] = b"\0\0"
    end[12:16] = struct.pack("<L", len(entry))
    assert "zip64 size is missing" in fault(data[:at] + bytes(entry) + bytes(end))


def test_names_are_utf8_or_code_page_437_with_slashes() -> None:
    data = zipped({"caf\u00e9.py": b"1", "./b.py": b"2", "c\\d.py": b"3"})
    assert opened(data)[0].names == ("caf\u00e9.py", "b.py", "c/d.py")
    raw = zipped({"cafe.py": b"1"}).replace(b"cafe.py", b"caf\x82.py")
    archive, _ = opened(raw)
    assert archive.names == ("caf\u00e9.py",)
    assert archive.read(archive.entries["caf\u00e9.py"], 10) == b"1"


def test_the_sdks_own_snapshot_is_read() -> None:
    path = reference() / "snapshots" / "snapshot-0.1.59-gitignore-only.zip"
    archive, ranges = opened(path.read_bytes(), keep=keeper())
    name = choose(archive.names)
    with zipfile.ZipFile(path) as expected:
        assert expected.read(name) == archive.read(archive.entries[name], 1 << 20)
        assert archive.files == sum(not info.is_dir() for info in expected.infolist())
        assert archive.uncompressed == sum(info.file_size for info in expected.infolist())
    assert len(ranges.calls) == 1


@pytest.mark.parametrize("count", [10, 10_000])
def test_a_large_snapshot_costs_the_tail_the_directory_and_the_run_configuration(count: int) -> None:
    files = {"train.py": b"1", "aml_config/local.runconfig": RUNCONFIG}
    files |= {f"data/part-{index:05}.csv": b"x" for index in range(count)}
    files["blob.bin"] = random.Random(1).randbytes(1_000_000)
    data = zipped(files, method=zipfile.ZIP_STORED)
    archive, ranges = opened(data, keep=keeper())
    entry = archive.entries[choose(archive.names)]
    assert archive.read(entry, 1 << 20) == RUNCONFIG
    assert set(archive.find("train.py", "missing.py")) == {"train.py"}
    assert archive.files == count + 3
    directory = len(data) - data.index(b"PK\x01\x02")
    assert len(ranges.calls) <= 4
    assert ranges.bytes <= 1.1 * (module.TAIL + directory + len(RUNCONFIG) + 1000)


def test_a_directory_larger_than_a_chunk_is_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 200_000)
    monkeypatch.setattr(module, "MAX_DIRECTORY", 2_000_000)
    files = {f"data/part-{index:05}-{'n' * 40}.csv": b"" for index in range(4_000)}
    files["aml_config/local.runconfig"] = RUNCONFIG
    files |= {f"more/part-{index:05}-{'n' * 40}.csv": b"" for index in range(1_000)}
    archive, ranges = opened(zipped(files), keep=keeper())
    assert archive.files == 5_001
    assert archive.read(archive.entries["aml_config/local.runconfig"], 10_000) == RUNCONFIG
    reads = len(ranges.calls)
    assert reads <= 8
    name = f"more/part-00999-{'n' * 40}.csv"
    assert archive.read(archive.find(name)[name], 10) == b""
    assert len(ranges.calls) > reads
    assert max(length for _, length in ranges.calls) <= 200_000


def test_memory_stays_small_with_a_hundred_thousand_entries() -> None:
    entry, names = b"", []
    entry = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, 0, 0, 33, 0, 0, 0, 40, 0, 0, 0, 0, 0, 0)
    names = [f"data/part-{index:07}/some-longer-name.csv".ljust(40, "_")[:40].encode() for index in range(100_000)]
    directory = b"".join(entry + name for name in names)
    end = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 100_000, 100_000, len(directory), 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(directory), 1)
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    data = directory + end + locator + tail
    tracemalloc.start()
    try:
        archive, ranges = opened(data, keep=keeper())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert archive.files == 100_000
    assert peak < 16 << 20
    assert len(ranges.calls) <= 3


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"hello", "it is not a zip"),
        (b"\0" * 200_000, "it is not a zip"),
        (b"PK\x03\x04" + b"\0" * 100_000, "the zip is truncated"),
        (zipped({}), "holds no files"),
        (zipped({"folder/": b""}), "holds no files"),
        (zipped({"a": b"1"}) + b"\n", "the zip is truncated"),
        (patched(zipped({"a": b"1"}), b"PK\x05\x06", 4, b"\x01"), "split"),
        (patched(zipped({"a": b"1"}), b"PK\x05\x06", 8, b"\x05\0\x05\0"), "says that it has 5 entries and has 1"),
        (patched(zipped({"a": b"1"}), b"PK\x05\x06", 16, b"\xff\xff\0\0"), "its directory begins where it cannot"),
        (patched(zipped({"a": b"1"}), b"PK\x05\x06", 12, b"\xff\xff\xff\0"), "its directory begins where it cannot"),
        (patched(zipped({"a": b"1"}), b"PK\x01\x02", 0, b"XX"), "the directory is damaged"),
        (patched(zipped({"a": b"1"}), b"PK\x01\x02", 28, b"\xff\xff"), "the directory is damaged"),
        (patched(zipped({"a": b"1"}), b"PK\x01\x02", 8, b"\x01\0"), "a is encrypted; zip it without a password"),
        (patched(zipped({"a": b"1"}), b"PK\x01\x02", 10, b"\x0c\0"), "by method 12"),
        (patched(zipped({"a": b"1"}), b"PK\x01\x02", 42, b"\xff\xff\0\0"), "lies where it cannot"),
        (patched(zipped({"a": b"1"}), b"PK\x01\x02", 20, b"\xff\xff\0\0"), "lies where it cannot"),
        (patched(zipped({"a": b"1"}), b"PK\x01\x02", 24, b"\xff\xff\xff\x0f"), "at most 1,048,576 are allowed"),
        (patched(zipped({"a": b"1" * 50}), b"PK\x01\x02", 24, b"\x09\0\0\0"), "does not end where"),
        (patched(zipped({"a": b"1" * 50}), b"PK\x01\x02", 16, b"\0\0\0\0"), "its size or checksum"),
        (patched(zipped({"a": b"1"}), b"PK\x03\x04", 30, b"b"), "do not agree"),
        (patched(zipped({"a": b"1"}), b"PK\x03\x04", 0, b"XX"), "do not agree"),
        (patched(zipped({"a": b"1"}), b"PK\x03\x04", 28, b"\xff\xff"), "lies where it cannot"),
        (patched(zipped({"a": b"1" * 50}), b"PK\x03\x04", 31, b"\xff\xff\xff"), "cannot be decompressed"),
        (zipped({"aa": b"1", "ab": b"2"}).replace(b"ab", b"aa"), "aa is there twice"),
        (zipped({"a\u00e9": b"1"}).replace("\u00e9".encode(), b"\xff\xff"), "not UTF-8"),
    ],
)  # fmt: skip
def test_a_fault_is_one_sentence(data: bytes, says: str) -> None:
    if not data:
        with pytest.raises(SnapshotError, match=says):
            open_archive(Ranges(b""), 0, name="x.zip")
        return
    assert says in fault(data)


def test_a_bomb_is_not_unpacked_beyond_its_limit() -> None:
    data = zipped({"bomb": b"\0" * 50_000_000, "a": b"1"})
    with pytest.raises(SnapshotError, match="has 50,000,000 bytes; at most 1,000"):
        read_all(data, 1000)
    lying = patched(data, b"PK\x01\x02", 24, b"\x05\0\0\0")
    with pytest.raises(SnapshotError, match="bomb is damaged: it does not end where the directory says"):
        read_all(lying, 100_000)


def test_too_many_entries_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ENTRIES", 5)
    assert "at most 5" in fault(zipped({str(index): b"" for index in range(6)}))


def test_a_blob_that_shrinks_while_it_is_read_is_named() -> None:
    data = zipped({"a": random.Random(1).randbytes(100_000), "b": b"1"}, method=zipfile.ZIP_STORED)
    archive, ranges = opened(data)
    ranges.data = data[:1000]
    with pytest.raises(SnapshotError, match="truncated, or it changed"):
        archive.read(archive.entries["a"], 1 << 20)


def test_a_zip_truncated_anywhere_is_refused() -> None:
    data = zipped({"train.py": b"print(1)\n", "aml_config/local.runconfig": RUNCONFIG})
    for length in range(1, len(data)):
        fault(data[:length])


_SOUND = zipped({"a.py": b"print(1)\n" * 9, "aml_config/x.runconfig": RUNCONFIG, "d/": b""}, comment=b"c")


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=300) | st.lists(st.tuples(st.integers(0, len(_SOUND) - 1), st.integers(0, 255)), max_size=6))
def test_any_bytes_are_an_archive_or_a_snapshot_error(change: bytes | list[tuple[int, int]]) -> None:
    data = change
    if isinstance(change, list):
        mutable = bytearray(_SOUND)
        for at, value in change:
            mutable[at] = value
        data = bytes(mutable)
    assert isinstance(data, bytes)
    with contextlib.suppress(SnapshotError):
        read_all(data)
