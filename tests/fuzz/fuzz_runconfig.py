"""The run configuration's reader over any bytes: a configuration, or a typed error of one printable sentence."""

from __future__ import annotations

import sys
from contextlib import suppress

from tests.fuzz.target import Target, main

INSTRUMENTED = ("runyard.runconfig", "yaml", "ruamel.yaml")

_WORDS = (
    "script framework communicator target environment python conda docker history spark hdi tensorflow mpi batchai runyard "
    "dataReferences environmentVariables arguments nodeCount ArgumentVector Configuration TargetDetails userManagedDependencies "
    "condaDependencies true false null ~ !!str !!binary !!python/object & * << <<: | > %YAML --- ... ? [ ] { } ' \" # \\n \\u0000"
)


def load() -> Target:
    """The target; it imports what is fuzzed."""
    from runyard.errors import RunyardError
    from runyard.runconfig.read import parse

    environment = b"dependencies:\n- python=3.6.2\n- pip:\n  - azureml-defaults\n"

    def run(data: bytes) -> None:
        with suppress(RunyardError):
            parse(data, "x.runconfig", files=lambda _: environment)

    def seeds() -> list[bytes]:
        return [
            b"script: train.py\narguments: [--alpha, 0.5]\ntarget: local\nframework: Python\n",
            b"environment:\n  python:\n    userManagedDependencies: true\n  environmentVariables:\n    A: 'yes'\n",
            b'{"Configuration": {"Script": "a.py", "Framework": 0, "Target": "local"}, "TargetDetails": null}',
            b"ArgumentVector:\n- train.py\n- '1'\nTarget: local\nPrepareEnvironment: true\n",
            b"environment: aml_config/conda_dependencies.yml\ndocker: {enabled: true, gpuSupport: on}\n",
            b"a: &a [1]\nb: *a\nc: {<<: {d: 1}}\nrunyard: {retries: 2, priority: -1}\n",
            b"\xff\xfes\0c\0r\0i\0p\0t\0:\0 \0a\0",
            b"dataReferences:\n  data:\n    dataStoreName: d\n    mode: mount\n    overwrite: false\n",
        ]

    words = tuple(word.encode() for word in _WORDS.split())
    return Target(name="fuzz_runconfig", run=run, seeds=seeds, words=words)


if __name__ == "__main__":
    sys.exit(main(load, INSTRUMENTED))
