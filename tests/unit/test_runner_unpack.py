"""Unpacking: what a zip may do, and each trick that it may not."""

from __future__ import annotations

import io
import os
import random
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runyard.runner.problems import Problem, Stopped
from runyard.runner.unpack import file_etag, unpack
from runyard.runner.ziptable import LIMITS, Limits
from runyard.stores.embedded.etag import etag_of


def entry(name: str, mode: int = 0, *, system: int = 3) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = system
    info.external_attr = mode << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def zipped(*entries: tuple[zipfile.ZipInfo | str, bytes | str]) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of duplicate names
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in entries:
                archive.writestr(name, data)
    return buffer.getvalue()


@pytest.fixture
def try_to(tmp_path: Path) -> Callable[..., Path]:
    def unpacked(data: bytes, limits: Limits = LIMITS) -> Path:
        (tmp_path / "a.zip").write_bytes(data)
        folder = tmp_path / "work"
        folder.mkdir()
        unpack(str(tmp_path / "a.zip"), "", str(folder), None, limits)
        return folder

    return unpacked


def test_files_folders_and_modes_come_out(try_to: Callable[..., Path]) -> None:
    folder = try_to(
        zipped(
            (entry("run.sh", 0o100755), "#!/bin/sh"),
            (entry("sub/", 0o40755), ""),
            (entry("sub/deep/ä.txt", 0o100600), "text"),
            (entry("./plain.txt", 0, system=0), "x" * 100_000),
            (entry("win\\dows.txt", 0, system=0), "w"),
            (entry("setuid", 0o104755), ""),
        )
    )
    assert (folder / "sub/deep/ä.txt").read_text() == "text"
    assert (folder / "plain.txt").read_text() == "x" * 100_000
    assert (folder / "win" / "dows.txt").read_text() == "w"
    assert os.access(folder / "run.sh", os.X_OK)
    assert not (folder / "plain.txt").stat().st_mode & 0o111
    assert not (folder / "setuid").stat().st_mode & stat.S_ISUID


def test_large_and_stored_files_come_out(try_to: Callable[..., Path]) -> None:
    noise = random.Random(0).randbytes(3 << 20)
    stored = entry("stored")
    stored.compress_type = zipfile.ZIP_STORED
    folder = try_to(
        zipped((entry("noise"), noise), (stored, noise), (entry("zeros"), bytes(5 << 20)), (entry("none"), b""))
    )
    assert (folder / "noise").read_bytes() == noise
    assert (folder / "stored").read_bytes() == noise
    assert (folder / "zeros").read_bytes() == bytes(5 << 20)
    assert (folder / "none").read_bytes() == b""


def test_streamed_prefixed_commented_and_zip64_zips_are_read(tmp_path: Path, try_to: Callable[..., Path]) -> None:
    class Pipe(io.RawIOBase):
        """Cannot seek: sizes then follow the data."""

        def __init__(self) -> None:
            self.data = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            self.data += bytes(data)  # type: ignore[call-overload]
            return len(bytes(data))  # type: ignore[call-overload]

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open(zipfile.ZipInfo("a.txt"), "w", force_zip64=True) as stream:
            stream.write(b"streamed")
        archive.comment = b"PK\x05\x06 is no end record"
    folder = try_to(b"#!/bin/sh a prefix\n" + bytes(pipe.data))
    assert (folder / "a.txt").read_bytes() == b"streamed"


def test_links_that_stay_inside_are_made(try_to: Callable[..., Path]) -> None:
    folder = try_to(
        zipped(
            (entry("sub/link", 0o120777), "../data/x"),
            (entry("data/x"), "content"),
            (entry("folder", 0o120777), "data"),
        )
    )
    assert (folder / "sub/link").read_text() == "content"
    assert str((folder / "sub/link").readlink()) == "../data/x"
    assert (folder / "folder/x").read_text() == "content"


OUTSIDE = [
    ("/etc/evil", "'/etc/evil' in the snapshot is an absolute path"),
    ("\\\\server\\share", "is an absolute path"),
    ("C:/evil", "'C:/evil' in the snapshot is an absolute path"),
    ("c:evil", "is an absolute path"),
    ("../evil", "'../evil' in the snapshot leads out of it by '..'"),
    ("a/../../evil", "leads out of it by '..'"),
    ("a\\..\\..\\evil", "leads out of it by '..'"),
    ("a/..", "leads out of it by '..'"),
]


@pytest.mark.parametrize(("name", "sentence"), OUTSIDE)
def test_a_name_that_leads_out_is_refused(
    tmp_path: Path, try_to: Callable[..., Path], name: str, sentence: str
) -> None:
    with pytest.raises(Problem) as caught:
        try_to(zipped((entry("good"), "g"), (entry(name), "evil")))
    assert sentence in caught.value.message
    assert caught.value.error_class == "config"
    assert [path.name for path in tmp_path.iterdir()] in (["a.zip", "work"], ["work", "a.zip"])


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "sub/../../outside", "", "a\0b", "x" * 5000])
def test_a_link_that_leads_out_is_refused(try_to: Callable[..., Path], tmp_path: Path, target: str) -> None:
    with pytest.raises(Problem, match="'link' in the snapshot is a link that leads out of it"):
        try_to(zipped((entry("link", 0o120777), target)))
    assert not (tmp_path / "work" / "link").is_symlink()


def test_a_chain_of_links_that_leads_out_is_refused(try_to: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(Problem, match="leads out of it"):
        try_to(zipped((entry("a/b/up", 0o120777), "../.."), (entry("out", 0o120777), "a/b/up/../outside")))
    assert list((tmp_path / "work").rglob("*up")) == []


def test_no_file_is_written_through_a_link(try_to: Callable[..., Path], tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    with pytest.raises(Problem):
        try_to(zipped((entry("link", 0o120777), "../outside"), (entry("link/evil"), "evil")))
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("form", [stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
def test_devices_pipes_and_sockets_are_refused(try_to: Callable[..., Path], form: int) -> None:
    with pytest.raises(Problem, match="'dev' in the snapshot is a device, pipe or socket"):
        try_to(zipped((entry("dev", form | 0o666), "")))


@pytest.mark.parametrize("names", [("a", "a"), ("a", "./a"), ("d/a", "d//a"), ("d\\a", "d/a")])
def test_a_name_that_is_there_twice_is_refused(try_to: Callable[..., Path], names: tuple[str, str]) -> None:
    with pytest.raises(Problem, match="is in the snapshot twice"):
        try_to(zipped((entry(names[0]), "1"), (entry(names[1]), "2")))


def test_a_name_that_is_a_file_and_a_folder_is_refused(try_to: Callable[..., Path]) -> None:
    with pytest.raises(Problem, match="'a' in the snapshot is a file and a folder"):
        try_to(zipped((entry("a"), "1"), (entry("a/b"), "2")))


def test_an_encrypted_file_is_refused(try_to: Callable[..., Path]) -> None:
    data = bytearray(zipped((entry("secret"), "x")))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(
        Problem, match=r"'secret' in the snapshot is encrypted \(ZipCrypto\); zip it without a password"
    ):
        try_to(bytes(data))


def test_a_method_nobody_knows_is_refused(try_to: Callable[..., Path]) -> None:
    info = entry("a")
    info.compress_type = zipfile.ZIP_LZMA
    with pytest.raises(Problem, match=r"'a' in the snapshot is compressed by method 14 \(LZMA\); stored and deflated"):
        try_to(zipped((info, "x")))


def test_too_much_is_refused_before_anything_is_written(try_to: Callable[..., Path], tmp_path: Path) -> None:
    limits = Limits(entries=3, unpacked=1000, ratio=10, ratio_from=100)
    cases = {
        "has 4 entries; at most 3": zipped(*((entry(str(n)), "") for n in range(4))),
        "has 1001 bytes once unpacked; at most 1000": zipped((entry("a"), random.Random(0).randbytes(1001))),
        r"would unpack to \d+ times its size \('bomb' most of all\); at most 10 times": zipped(
            (entry("bomb"), bytes(900))
        ),
    }
    for sentence, data in cases.items():
        with pytest.raises(Problem, match=sentence):
            try_to(data, limits)
        assert list((tmp_path / "work").iterdir()) == []
        (tmp_path / "work").rmdir()


def test_overlapping_entries_are_refused(try_to: Callable[..., Path]) -> None:
    # Two directory entries for the same bytes: the classic bomb without recursion.
    data = zipped((entry("a"), "content"))
    at, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    central = data[at:end]
    fields = bytearray(data[end:])
    struct.pack_into("<2HL", fields, 8, 2, 2, 2 * len(central))
    with pytest.raises(Problem, match="'a' is in the snapshot twice"):
        try_to(data[:end] + central + bytes(fields))


def test_a_size_that_is_a_lie_is_found_out(try_to: Callable[..., Path], tmp_path: Path) -> None:
    for change, size in ((-1, 99_999), (1, 100_001)):
        data = bytearray(zipped((entry("a"), bytes(100_000))))
        struct.pack_into("<L", data, data.index(b"PK\x01\x02") + 24, size)
        struct.pack_into("<L", data, data.index(b"PK\x03\x04") + 22, size)
        with pytest.raises(Problem, match="'a' in the snapshot is damaged"):
            try_to(bytes(data))
        assert list((tmp_path / "work").iterdir()) == [], change
        (tmp_path / "work").rmdir()


def test_a_header_that_says_another_name_is_refused(try_to: Callable[..., Path]) -> None:
    data = bytearray(zipped((entry("good"), "x")))
    data[30:34] = b"evil"
    with pytest.raises(Problem, match="do not agree"):
        try_to(bytes(data))


def test_a_cut_or_empty_zip_is_refused(try_to: Callable[..., Path], tmp_path: Path) -> None:
    whole = zipped((entry("a"), "x" * 1000))
    for data in (b"", whole[:-1], whole[: len(whole) // 2], b"PK\x05\x06"):
        with pytest.raises(Problem, match=r"is no zip|is truncated"):
            try_to(data)
        (tmp_path / "work").rmdir()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_damaged_zip_is_unpacked_or_refused_and_never_more(tmp_path: Path, changes: list[tuple[int, int]]) -> None:
    data = bytearray(
        zipped((entry("a"), "x" * 300), (entry("b/c"), "y"), (entry("l", 0o120777), "a"), (entry("d/", 0o40755), ""))
    )
    for at, value in changes:
        data[at % len(data)] = value
    folder = tmp_path / os.urandom(8).hex() / "inner"
    folder.mkdir(parents=True)
    path = tmp_path / "damaged.zip"
    path.write_bytes(data)
    with suppress(Problem):  # nothing else, whatever the zip says
        unpack(str(path), "", str(folder))
    assert [found.name for found in folder.parent.iterdir()] == ["inner"]
    for found in folder.rglob("*"):
        assert found.resolve().is_relative_to(folder.resolve())


def test_a_snapshot_that_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped((entry("a"), "x")))
    etag = file_etag(path.stat())
    (tmp_path / "one").mkdir()
    unpack(str(path), etag, str(tmp_path / "one"))
    os.utime(path, ns=(1, 1))
    (tmp_path / "two").mkdir()
    with pytest.raises(Problem, match=r"a\.zip changed since the run was accepted"):
        unpack(str(path), etag, str(tmp_path / "two"))


def test_the_etag_is_that_of_the_blob_store(tmp_path: Path) -> None:
    assert file_etag(tmp_path.stat()) == etag_of(tmp_path.stat())


def test_unpacking_can_be_given_up(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped((entry("a"), random.Random(0).randbytes(1000)), (entry("b"), "x")))
    (tmp_path / "work").mkdir()
    with pytest.raises(Stopped):
        unpack(str(path), "", str(tmp_path / "work"), lambda: True)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("d/" * 1000 + "x", r"has 1001 parts; at most 200 are allowed"),
        ("n" * 256, r"is too long: at most 4000 bytes, and 255 between two slashes, are allowed"),
        ("ä" * 128, r"is too long"),
        (("n" * 250 + "/") * 16 + "x", r"is too long"),
    ],
)
def test_a_name_that_no_file_system_takes_is_refused(try_to: Callable[..., Path], name: str, sentence: str) -> None:
    with pytest.raises(Problem, match=sentence) as caught:
        try_to(zipped((entry(name), "x")))
    assert len(caught.value.message) < 300
    assert caught.value.error_class == "config"


def test_a_path_of_200_parts_comes_out(try_to: Callable[..., Path]) -> None:
    assert (try_to(zipped((entry("d/" * 199 + "x"), "deep"))) / ("d/" * 199) / "x").read_text() == "deep"


def test_a_path_too_long_for_its_place_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / ("w" * 200)
    folder.mkdir()
    (tmp_path / "a.zip").write_bytes(zipped((entry(("n" * 248 + "/") * 16 + "x"), "x")))
    with pytest.raises(Problem, match="in the snapshot is too long for this file system") as caught:
        unpack(str(tmp_path / "a.zip"), "", str(folder))
    assert caught.value.error_class == "config"
