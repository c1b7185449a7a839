"""What strangers' zips try: each is refused by both readers, in one sentence that names what it is about."""

from __future__ import annotations

import stat
import time
from dataclasses import replace

import pytest

from tests.unit.zipreaders import by_ranges, by_unpacking
from tests.unit.zips import FULL32, Item, Tail, a, build, deflated, extra, link, plain, unicode_path, zip64_extra

GOOD = a("good.py", b"print(1)")
UTF8 = 0x800
DEEP = b"d/" * 200 + b"x"


def of(*items: Item, **tail: object) -> bytes:
    return build([GOOD, *items], Tail(**tail))  # type: ignore[arg-type]


def overlapping(count: int) -> bytes:
    """Many entries for the same bytes, as in a zip bomb without recursion."""
    kernel = deflated(bytes(1_000_000))
    first = a("0", method=8, packed_data=kernel, data=bytes(1_000_000))
    others = [replace(first, name=str(number).encode(), listed_only=True, offset=0) for number in range(1, count)]
    return build([first, *others])


def quoting() -> bytes:
    """Two entries that share bytes: the header of the second lies in the first one's extra field."""
    inner = build([a("b", b"shared bytes")])[: 30 + 1]
    first = a("a", b"shared bytes", local_extra=inner)
    second = a("b", b"shared bytes", listed_only=True, offset=30 + 1)
    return build([first, second, a("junk", bytes(200), hidden=True)])


NAMES = {
    "absolute": (a("/etc/evil"), "'/etc/evil' in the snapshot is an absolute path"),
    "a share": (a("\\\\server\\share"), "absolute path"),
    "a drive": (a("C:/evil"), "'C:/evil' in the snapshot is an absolute path"),
    "a drive's folder": (a("c:evil"), "absolute path"),
    "up": (a("../evil"), "'../evil' in the snapshot leads out of it by '..'"),
    "up inside": (a("x/../../evil"), "leads out of it by '..'"),
    "up at the end": (a("x/.."), "leads out of it by '..'"),
    "up by backslash": (a("x\\..\\..\\evil"), "leads out of it by '..'"),
    "up in a folder": (a("x/../"), "leads out of it by '..'"),
    "up behind a name": (a("ok", extra=unicode_path(b"ok", "../evil")), "leads out of it by '..'"),
    "NUL": (a(b"a\0b.py"), "no name, or one with a NUL"),
    "no name": (a(""), "no name, or one with a NUL"),
    "a dot": (a("."), "'.' in the snapshot is no name of a file"),
    "too long a part": (a("n" * 256), "is too long"),
    "too long a part in UTF-8": (a("ä" * 128, flags=UTF8), "is too long"),
    "too long a path": (a(("n" * 250 + "/") * 16 + "x"), "is too long"),
    "65,535 bytes": (a("n" * 65_535), "is too long"),
    "65,535 bytes of nothing": (a("./" * 32_767 + "x"), "is too long"),
    "too deep": (a(DEEP), "has 201 parts; at most 200 are allowed"),
    "not UTF-8": (a(b"caf\xe9", flags=UTF8), "not valid UTF-8"),
    "not UTF-8 in the field": (
        a("x", extra=unicode_path(b"x", "y").replace(b"y", b"\xff")),
        "not valid UTF-8",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("item", "sentence"), NAMES.values(), ids=NAMES)
def test_a_name_that_cannot_be_is_refused(item: Item, sentence: str) -> None:
    refused_alike(of(item), sentence)


TWICE = {
    "exactly": (("d/x", "d/x"), "'d/x' is in the snapshot twice"),
    "with a dot": (("x", "./x"), "'x' is in the snapshot twice"),
    "with two slashes": (("d/x", "d//x"), "'d/x' is in the snapshot twice"),
    "with a backslash": (("d\\x", "d/x"), "'d/x' is in the snapshot twice"),
    "as a folder": (("x", "x/"), "'x' in the snapshot is a file and a folder"),
    "as a folder first": (("x/", "x"), "'x' in the snapshot is a file and a folder"),
    "as a folder of another": (("x", "x/y/z"), "'x' in the snapshot is a file and a folder"),
    "as a folder of another first": (("x/y/z", "x/y"), "'x/y' in the snapshot is a file and a folder"),
}


@pytest.mark.parametrize("many", [0, 17_000])
@pytest.mark.parametrize(("names", "sentence"), TWICE.values(), ids=TWICE)
def test_a_name_that_is_there_twice_is_refused(names: tuple[str, str], sentence: str, many: int) -> None:
    """Also among so many that only hashes of the names are kept."""
    others = [a(f"{number}", b"") for number in range(many)]
    refused_alike(build([a(names[0]), *others, a(names[1])]), sentence)


KINDS = {
    "a pipe": (a("dev", mode=stat.S_IFIFO | 0o666), "'dev' in the snapshot is a device, pipe or socket"),
    "a device": (a("dev", mode=stat.S_IFCHR | 0o666), "is a device, pipe or socket"),
    "a disk": (a("dev", mode=stat.S_IFBLK | 0o666), "is a device, pipe or socket"),
    "a socket": (a("dev", mode=stat.S_IFSOCK | 0o666), "is a device, pipe or socket"),
    "a device of macOS": (a("dev", mode=stat.S_IFCHR, system=19), "is a device, pipe or socket"),
    "a password": (a("secret", flags=1), "'secret' in the snapshot is encrypted (ZipCrypto); zip it without a password"),
    "AES": (a("secret", flags=1, method=99), "'secret' in the snapshot is encrypted (AES)"),
    "strong encryption": (a("secret", flags=0x41), "'secret' in the snapshot is encrypted (strong encryption)"),
    "masked headers": (a("secret", flags=0x2001), "'secret' in the snapshot is encrypted (strong encryption)"),
    "bzip2": (a("x", method=12), "'x' in the snapshot is compressed by method 12 (bzip2); stored and deflated"),
    "LZMA": (a("x", method=14), "by method 14 (LZMA)"),
    "Deflate64": (a("x", method=9), "by method 9 (Deflate64); stored and deflated are understood: zip it with `zip -r`"),
    "Zstandard": (a("x", method=93), "by method 93 (Zstandard)"),
    "no method at all": (a("x", method=12345), "by method 12345; stored"),
    "another disk": (a("x", disk=1), "'x' in the snapshot lies in another part of a split zip"),
    "another disk by zip64": (
        a("x", disk=0xFFFF, extra=extra(1, b"\2\0\0\0")),
        "lies in another part of a split zip",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("item", "sentence"), KINDS.values(), ids=KINDS)
def test_what_is_no_usual_file_is_refused(item: Item, sentence: str) -> None:
    refused_alike(of(item), sentence)


LIES = {
    "its header's name": (of(a("x", local_name=b"y")), "the header of 'x' do not agree"),
    "its header's method": (of(a("x", local_method=8)), "the header of 'x' do not agree"),
    "its header's size": (of(a("x", local_size=1)), "the header of 'x' do not agree"),
    "its header's packed size": (of(a("x", local_packed=1)), "the header of 'x' do not agree"),
    "its header's checksum": (of(a("x", local_crc=1)), "the header of 'x' do not agree"),
    "its header's encryption": (of(a("x", local_flags=1)), "the header of 'x' do not agree"),
    "its header's zip64 size": (
        of(a("x", local_size=FULL32, local_packed=FULL32, local_extra=zip64_extra(8, 7))),
        "the header of 'x' do not agree",
    ),
    "its header's missing zip64 size": (
        of(a("x", local_size=FULL32, local_packed=FULL32)),
        "the header of 'x' do not agree",
    ),
    "no header": (of(a("x", listed_only=True, gap=bytes(50))), "'x' in the snapshot"),
    "the checksum": (of(a("x", crc=1)), "'x' in the snapshot is damaged"),
    "a smaller size": (of(a("x", bytes(99), method=8, size=98, local_size=98)), "'x' in the snapshot is damaged"),
    "a larger size": (of(a("x", bytes(99), method=8, size=100, local_size=100)), "'x' in the snapshot is damaged"),
    "a size that cannot be": (of(a("x", method=8, size=1 << 30)), "'x' in the snapshot cannot have 1073741824 bytes"),
    "a stored size that cannot be": (of(a("x", size=8)), "'x' in the snapshot cannot have 8 bytes, as it takes 7 in it"),
    "not deflated": (of(a("x", method=8, packed_data=b"\xff" * 9)), "'x' in the snapshot is damaged"),
    "deflated with more behind": (
        of(a("x", method=8, packed_data=deflated(b"content") + b"more")),
        "'x' in the snapshot is damaged",
    ),
    "half deflated": (of(a("x", b"content", method=8, packed_data=deflated(b"content")[:-2])), "is damaged"),
    "a place behind the end": (of(a("x", offset=1 << 30)), "'x' in the snapshot lies where it cannot"),
    "a place in the directory": (of(a("x", offset=90)), "'x' in the snapshot lies where it cannot"),
    "a packed size into the directory": (of(a("x", packed=60, size=60)), "'x' in the snapshot lies where it cannot"),
    "the zip64 sizes": (of(a("x", size=FULL32, packed=FULL32, extra=zip64_extra(7))), "a zip64 size is missing"),
    "a zip64 size beyond all": (
        of(a("x", size=FULL32, packed=FULL32, extra=zip64_extra(2**64 - 1, 2**64 - 1))),
        "'x' in the snapshot",
    ),
    "fewer entries": (of(a("x"), count=1), "the snapshot says that it has 1 entries and has 2"),
    "more entries": (of(a("x"), count=3), "the snapshot says that it has 3 entries and has 2"),
    "too many entries by zip64": (of(zip64=True, zip64_count=200_001), "has 200001 entries; at most 200000"),
    "its place": (of(offset=1 << 20), "its directory cannot begin where it says"),
    "its length": (of(length=1 << 20), "its directory cannot begin where it says"),
    "a shorter length": (of(length=20), "begins like one zip and ends like another"),
    "the length of its first entry": (build([a("x"), GOOD], Tail(length=47)), "begins like one zip"),
    "something behind the directory": (of(after_directory=b"PK\5\6 and more"), "the snapshot's directory is damaged"),
    "a huge directory": (
        build([GOOD], Tail(zip64=True, zip64_length=1 << 60)),
        "its directory cannot begin where it says",
    ),
    "a zip64 directory's place": (of(zip64=True, zip64_offset=1 << 40), "cannot begin where it says"),
    "the zip64 record's place": (of(zip64=True, zip64_where=3), "cannot begin where it says"),
    "two end records": (of(zip64=True, count=2), "its end records do not agree"),
    "a part of several": (of(disk=1), "one part of a zip in several parts"),
    "the last of several": (of(disk=1, first_disk=1), "one part of a zip in several parts"),
    "entries on other disks": (of(here=0), "one part of a zip in several parts"),
    "disks by zip64": (of(zip64=True, disks=3), "one part of a zip in several parts"),
    "an encrypted directory": (
        of(zip64=True, zip64_needed=62, zip64_data=bytes(28)),
        "the snapshot's directory is encrypted; zip it without a password",
    ),
    "overlapping": (overlapping(2), "entries of the snapshot overlap: together they are larger than the zip"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "sentence"), LIES.values(), ids=LIES)
def test_a_zip_that_lies_about_itself_is_refused(data: bytes, sentence: str) -> None:
    refused(data, sentence)


LINKS = {
    "absolute": ([link("l", b"/etc/passwd")], "'l' in the snapshot is a link that leads out of it"),
    "up": ([link("l", b"../outside")], "is a link that leads out of it"),
    "up and back": ([link("l", b"../work/good.py")], "is a link that leads out of it"),
    "up in the middle": ([link("l", b"sub/../../outside")], "is a link that leads out of it"),
    "nothing": ([link("l", b"")], "is a link that leads out of it"),
    "NUL": ([link("l", b"a\0b")], "is a link that leads out of it"),
    "too long": ([link("l", b"x" * 5000)], "is a link that leads out of it"),
    "a chain": ([link("a/b/up", b"../.."), link("out", b"a/b/up/../x")], "'out' in the snapshot is a link that leads"),
    "through a link": ([link("d", b"sub/deep"), a("sub/deep/x"), link("e", b"d/../../../x")], "leads out of it"),
    "a circle": ([link("p", b"q"), link("q", b"p")], "is a link in a circle"),
    "itself": ([link("p", b"p/x")], "'p' in the snapshot is a link in a circle"),
    "a long chain": ([link(f"{n}", f"{n + 1}".encode()) for n in range(2000)], "or in a chain of more than 40"),
    "much text": ([link(f"{n}", b"d/" * 2000 + b"x") for n in range(300)], "have more than 1048576 bytes together"),
    "many": ([link(f"{n:06}", b"x") for n in range(20_000)], "the snapshot has too many links"),
}


@pytest.mark.parametrize(("items", "sentence"), LINKS.values(), ids=LINKS)
def test_a_link_that_leads_nowhere_good_is_refused_before_anything_is_written(items: list[Item], sentence: str) -> None:
    begin = time.process_time()
    seen = by_unpacking(of(*items))
    assert sentence in seen.refusal
    assert time.process_time() - begin < 1


def test_a_file_under_a_link_is_refused() -> None:
    refused_alike(of(link("l", b"sub"), a("l/evil")), "'l' in the snapshot is a file and a folder")


def test_bombs_are_refused_by_their_directory_alone() -> None:
    flat = build([a("bomb", method=8, packed_data=bytes(300_000), size=300_000_000)])
    refused_alike(flat, "would unpack to 1000 times its size ('bomb' most of all); at most 200 times is allowed")
    refused_alike(overlapping(5000), "'10' in the snapshot lies where it cannot")
    huge = [a(f"{n}", b"", method=8, packed_data=b"\3\0" * 8, size=16_000) for n in range(3)]
    assert "is damaged" in by_unpacking(of(*(replace(item, local_size=16_000) for item in huge))).refusal
    wide = a("x", size=FULL32, packed=FULL32, method=8, extra=zip64_extra(65 << 30, 64 << 30))
    assert "lies where it cannot" in by_ranges(of(wide)).refusal


def test_entries_that_share_bytes_in_secret_are_not_unpacked() -> None:
    seen = by_unpacking(quoting())
    assert "'a' in the snapshot overlaps what lies beside it: the zip is damaged" in seen.refusal
    unordered = build([a("b", bytes(100)), a("a", bytes(100), gap=bytes(400)), a("c", b"", offset=60, gap=bytes(40))])
    assert "'b' in the snapshot overlaps what lies beside it" in by_unpacking(unordered).refusal


def test_a_zip_in_a_zip_is_just_a_file() -> None:
    inner = plain({"a": b"1"})
    data = build([a("inner.zip", inner), GOOD])
    assert by_ranges(data) == by_unpacking(data)
    assert by_ranges(data).files["inner.zip"] == inner


def test_a_cut_behind_a_zip_in_the_zip_does_not_leave_the_inner_one() -> None:
    data = build([a("inner.zip", plain({"evil.py": b"1"})), GOOD])
    for length in range(1, len(data)):
        assert by_ranges(data[:length]).refusal
        assert by_unpacking(data[:length]).refusal


WHAT = {
    b"": "is no zip but empty: 0 bytes",
    b"hello": "the snapshot is no zip: it has no end record",
    bytes(200_000): "is no zip but zeros, as if its upload had not been finished",
    b"\x1f\x8b\x08" + bytes(100): "is no zip but a gzip file; `zip -r ../snapshot.zip .` makes one",
    b"BZh9" + b"x" * 100: "a bzip2 file",
    b"\xfd7zXZ\0" + b"x" * 100: "an xz file",
    b"7z\xbc\xaf\x27\x1c" + b"x" * 100_000: "a 7z archive",
    b"Rar!\x1a\x07\x01\0" + b"x": "a RAR archive",
    b"train.py".ljust(257, b"\0") + b"ustar\x0000" + bytes(250): "a tar archive",
    b"\n<!DOCTYPE html><html>404</html>": "a web page, perhaps an error or a sign-in page",
    b"\xef\xbb\xbf<?xml version='1.0'?><Error>": "an XML document, perhaps the error of a storage service",
    b'{"error": 1}': "a JSON document",
    b"version https://git-lfs.github.com/spec/v1\noid": "a Git LFS pointer (`git lfs pull` gets the file itself)",
    b"PK\7\x08PK\3\4" + b"x" * 100: "one part of a zip in several parts; make it one file",
    b"PK\3\4" + bytes(100_000): "the snapshot is truncated: it begins like a zip and has no end record",
    plain({"a": b"1"}) + b"\r\n--boundary--": "truncated: other bytes follow its end record",
}


@pytest.mark.parametrize(("data", "sentence"), WHAT.items(), ids=WHAT.values())
def test_what_is_no_zip_is_told_for_what_it_is(data: bytes, sentence: str) -> None:
    refused_alike(data, sentence)


def refused(data: bytes, sentence: str) -> None:
    """Refused by both, if not in the same words: an entry is only looked at when it is read, and overlaps then too."""
    begin = time.process_time()
    by_range, unpacked = by_ranges(data), by_unpacking(data)
    assert time.process_time() - begin < 2
    for reader in (by_range, unpacked):
        assert any(part in reader.refusal for part in sentence.split("|")), reader


def refused_alike(data: bytes, sentence: str) -> None:
    """Refused by both in the same words."""
    begin = time.process_time()
    by_range, unpacked = by_ranges(data), by_unpacking(data)
    assert time.process_time() - begin < 2
    assert any(part in unpacked.refusal for part in sentence.split("|")), unpacked
    assert by_range.refusal == "x.zip: " + unpacked.refusal
