"""A virtual environment, and packages for pip in it or in a conda prefix."""

import re
import tempfile
from typing import Dict, List, Tuple

from . import pip_config
from .failures import failure_of
from .options import Indexes, Options
from .resolve import Interpreter
from .running import Outcome, Shop

_PIP_THAT_KNOWS_WHEELS = (19, 3)
"""From this release on pip takes the wheels of today (manylinux2014, PEP 599)."""
_LAST_PIP = {"2.7": "<21", "3.5": "<21", "3.6": "<22", "3.7": "<24.1"}
"""By Python's version."""


def make_venv(shop: Shop, interpreter: Interpreter, prefix: str, uv: str, environment: Dict[str, str]) -> None:
    """Make a virtual environment with pip in it.

    Args:
        shop: Runs the tools.
        interpreter: What it is made from.
        prefix: Where.
        uv: uv's path; ``""``: the interpreter's own venv, or virtualenv, makes it.
        environment: The tools' variables.

    Raises:
        Failure: if it cannot be.
    """
    if uv:
        outcome = shop.run([uv, "venv", "--quiet", "--python", interpreter.path, "--no-project", prefix], environment)
        if outcome.code == 0 and interpreter.bundled:
            # What `python -m venv` would have put there; from the interpreter's own files, so that no index is asked.
            argv = [uv, "pip", "install", "--quiet", "--no-deps", "--no-index", "--python", prefix + "/bin/python"]
            outcome = shop.run(argv + list(interpreter.bundled), _without_index(environment))
    elif interpreter.has_venv:
        outcome = shop.run([interpreter.path, "-E", "-m", "venv", prefix], environment)
    else:
        outcome = shop.run([interpreter.path, "-E", "-m", "virtualenv", "--quiet", prefix], environment)
    if outcome.code != 0:
        raise failure_of("uv" if uv else interpreter.path, outcome)


def _without_index(environment: Dict[str, str]) -> Dict[str, str]:
    names = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_REQUIRE_HASHES", "UV_CONSTRAINT")
    return {name: value for name, value in environment.items() if name not in names}


def install(
    shop: Shop, prefix: str, uv: str, packages: List[str], options: Options, environment: Dict[str, str]
) -> None:
    """Install packages by uv, or by the pip that is in the prefix.

    Requirements and options, which may hold credentials, go over stdin or by variables; never by arguments or files.

    Raises:
        Failure: names the package that could not be installed.
    """
    if not packages and not any(name == "--requirement" for name, _ in options.files):
        return
    python = prefix + "/bin/python"
    if uv:
        argv, lines, variables = _for_uv(uv, python, options, environment)
    else:
        _refresh_pip(shop, python, options, environment)
        argv, lines, variables = _for_pip(python, options)
    lines += ["%s %s" % pair for pair in options.files] + packages
    wanted = ("\n".join(lines) + "\n").encode("utf-8")
    if uv:
        outcome = shop.run(argv + ["--requirement", "-"], dict(environment, **variables), wanted)
        unheard: List[str] = []
    else:
        outcome, unheard = _run_pip(
            shop, argv + ["--requirement", "/dev/stdin"], dict(environment, **variables), wanted
        )
    if outcome.code != 0:
        no_index = options.indexes.no_index or pip_config.is_on(environment.get("PIP_NO_INDEX", ""))
        raise failure_of("uv" if uv else "pip", outcome._replace(lines=unheard + outcome.lines), no_index)


def _run_pip(shop: Shop, argv: List[str], environment: Dict[str, str], wanted: bytes) -> Tuple[Outcome, List[str]]:
    """(how pip ended, what it says in its log alone).

    That an index did not answer, or refused, ends in its output as "no matching distribution". The log may hold
    credentials, so it is a file without a name.
    """
    with tempfile.TemporaryFile() as log:
        variables = dict(environment, PIP_LOG="/dev/fd/%d" % log.fileno())
        outcome = shop.run(argv, variables, wanted, files=(log.fileno(),))
        log.seek(0)
        lines = [line.decode("utf-8", "replace").strip() for line in log if b"Could not fetch URL" in line]
    return outcome, [shop.masker(line) for line in lines[:_MOST_UNHEARD]]


_MOST_UNHEARD = 50


def _for_uv(
    uv: str, python: str, options: Options, environment: Dict[str, str]
) -> Tuple[List[str], List[str], Dict[str, str]]:
    argv = [uv, "pip", "install", "--python", python, "--break-system-packages"]
    lines = [line for line in options.lines if line not in ("--pre", "--require-hashes")]
    if "--pre" in options.lines:
        argv += ["--prerelease", "allow"]
    if "--require-hashes" in options.lines:
        argv.append("--require-hashes")
    indexes = pip_config.for_uv(options.indexes, environment)
    if indexes.no_index:
        argv.append("--no-index")
    variables = {name: _filled_in(text, environment) for name, text in _index_variables(indexes, environment).items()}
    for name, flag in (
        ("no-deps", "--no-deps"),
        ("no-build-isolation", "--no-build-isolation"),
        ("no-cache-dir", "--no-cache"),
    ):
        if name in options.settings:
            argv.append(flag)
    settings = dict(pip_config.pip_settings(environment), **options.settings)
    for name, names in _UV_NAMES.items():
        if settings.get(name):
            variables.update(
                {each: settings[name] for each in names if name in options.settings or not environment.get(each)}
            )
    if options.settings.get("config-settings"):
        argv += ["--config-setting", options.settings["config-settings"]]
    return argv, lines, variables


_UV_NAMES = {
    "timeout": ("UV_HTTP_TIMEOUT",),
    "retries": ("UV_HTTP_RETRIES",),
    "proxy": ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"),
    "cert": ("SSL_CERT_FILE",),
    "client-cert": ("SSL_CLIENT_CERT",),
}
"""pip's settings, and uv's variables of the same meaning."""


def _index_variables(indexes: Indexes, environment: Dict[str, str]) -> Dict[str, str]:
    result = {}
    if indexes.main:
        result["UV_DEFAULT_INDEX"] = indexes.main
    if indexes.extra:
        result["UV_INDEX"] = " ".join(indexes.extra)
        if not environment.get("UV_INDEX_STRATEGY"):
            result["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # as pip: the best version, whichever index has it
    if indexes.links:
        result["UV_FIND_LINKS"] = ",".join(indexes.links)
    if indexes.trusted:
        result["UV_INSECURE_HOST"] = " ".join(indexes.trusted)
    return result


def _filled_in(text: str, environment: Dict[str, str]) -> str:
    """A text with the variables in it, as pip fills them in: ``${NAME}`` in capitals; what is not set stays."""
    return re.sub(r"\$\{([A-Z0-9_]+)\}", lambda found: environment.get(found.group(1)) or found.group(), text)


def _for_pip(python: str, options: Options) -> Tuple[List[str], List[str], Dict[str, str]]:
    indexes = options.indexes
    lines = list(options.lines)
    lines += ["--index-url " + indexes.main] if indexes.main else []
    lines += ["--no-index"] if indexes.no_index else []
    lines += ["--extra-index-url " + each for each in indexes.extra]
    lines += ["--find-links " + each for each in indexes.links]
    lines += ["--trusted-host " + each for each in indexes.trusted]
    variables = {"PIP_" + name.upper().replace("-", "_"): value or "1" for name, value in options.settings.items()}
    return [python, "-E", "-m", "pip", "install"], lines, variables


def _refresh_pip(shop: Shop, python: str, options: Options, environment: Dict[str, str]) -> None:
    """Bring a pip that is too old for the wheels of today up to the last release for its Python, if it can be had."""
    outcome = shop.run([python, "-E", "-m", "pip", "--version"], environment, quiet=True)
    words = outcome.text.split()
    try:
        version = tuple(int(each) for each in words[1].split(".")[:2])
    except (IndexError, ValueError):
        return
    if version >= _PIP_THAT_KNOWS_WHEELS or options.indexes.no_index:
        return
    # Old releases of pip do not see everywhere which Python a newer one needs.
    bound = next((limit for name, limit in _LAST_PIP.items() if name in words[-1]), "")
    variables = {"PIP_INDEX_URL": options.indexes.main} if options.indexes.main else {}
    argv = [python, "-E", "-m", "pip", "install", "--quiet", "--upgrade", "pip" + bound]
    if shop.run(argv, dict(environment, **variables), quiet=True).code != 0:
        shop.say("pip %s stays: a newer one for this Python cannot be had" % words[1])
