"""Both readers of a snapshot over any bytes: a typed error each, or the same files."""

from __future__ import annotations

import sys

from tests.fuzz.target import Target, main

INSTRUMENTED = ("runyard.snapshot.archive", "runyard.runner")


def load() -> Target:
    """The target; it imports what is fuzzed."""
    from tests.unit.zipreaders import agree
    from tests.unit.zips import FULL32, LINK, Tail, a, build, extra, plain, unicode_path, zip64_extra

    def seeds() -> list[bytes]:
        return [
            plain({"train.py": b"print(1)\n" * 9, "d/": b"", "aml_config/x.runconfig": b"script: train.py\n"}),
            build([a("a", b"1" * 30, size=FULL32, packed=FULL32, extra=zip64_extra(30, 30))], Tail(zip64=True)),
            build(
                [
                    a("caf?", extra=unicode_path(b"caf?", "caf\u00e9")),
                    a("b", flags=8, descriptor=b"PK\7\x08" + bytes(12)),
                ]
            ),
            build([a("d/x"), a("d/l", b"x", mode=LINK), a("m", b"../d", mode=LINK)], Tail(comment=b"c")),
            build([a("b"), a("a/b", b"x" * 200, method=8)], Tail(zip64=True, zip64_data=bytes(9)), backwards=True),
            build([a("x", extra=extra(0x5455, bytes(9)))], Tail(after_directory=b"PK\5\5\2\0ab"), prefix=b"#!"),
            b"PK\5\6" + bytes(18),
            b"<html>",
        ]

    words = (
        b"PK\1\2",
        b"PK\3\4",
        b"PK\5\6",
        b"PK\6\6",
        b"PK\6\7",
        b"PK\5\5",
        b"../",
        b"./",
        b"\\",
        b"\xff" * 4,
        b"\1\0",
        b"up",
    )
    return Target(name="fuzz_zip", run=agree, seeds=seeds, words=words, longest=1500)


if __name__ == "__main__":
    sys.exit(main(load, INSTRUMENTED))
