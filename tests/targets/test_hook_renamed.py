"""Modules that moved since 2018, and the ``sitecustomize`` that brings them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.targets.hooked import HOOK, Script

TOLD = "runyard: this scikit-learn has no sklearn.externals.joblib; the package joblib takes its place\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A scikit-learn of today with joblib and six beside it, in the small."""
    files = {
        "sklearn/__init__.py": "",
        "sklearn/externals/__init__.py": "",
        "joblib/__init__.py": "from .parallel import Parallel\n__all__ = ['Parallel']\n",
        "joblib/parallel.py": "class Parallel:\n    pass\n",
        "six/__init__.py": "from io import StringIO\n",
        "six/moves.py": "HERE = 1\n",
    }
    for name, text in files.items():
        path = tmp_path / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "site"


def test_joblib_is_found_under_its_old_name_and_stays_what_it_is(script: Script, site: Path) -> None:
    script(
        """\
from sklearn.externals import joblib
import joblib as today, joblib.parallel
import sklearn.externals.joblib, sklearn.externals.joblib.parallel as old
from sklearn.externals.joblib import Parallel
from sklearn.externals.joblib.parallel import Parallel as Same
assert joblib is today is sklearn.externals.joblib and old is today.parallel and Parallel is Same is today.Parallel
assert (today.__name__, today.__spec__.name, today.parallel.__spec__.name) == ("joblib", "joblib", "joblib.parallel")
import pickle, importlib
assert pickle.loads(b"csklearn.externals.joblib.parallel\\nParallel\\n.") is Parallel  # as in files of 2018
assert importlib.reload(today) is today
""",
        path=site,
    )
    assert TOLD == script.errors, "told once"


def test_six_is_found_under_its_old_name(script: Script, site: Path) -> None:
    script(
        "from sklearn.externals import six; import six as today; assert six is today\n"
        "from sklearn.externals.six import StringIO\nfrom sklearn.externals.six.moves import HERE",
        path=site,
    )
    assert "runyard: this scikit-learn has no sklearn.externals.six; the package six takes its place\n" == script.errors


def test_a_scikit_learn_that_has_it_keeps_its_own(script: Script, site: Path) -> None:
    (site / "sklearn" / "externals" / "joblib.py").write_text("OWN = True\n")
    script("from sklearn.externals import joblib; assert joblib.OWN", path=site)
    assert "" == script.errors


def test_a_scikit_learn_without_the_folder_has_it_again(script: Script, site: Path) -> None:
    (site / "sklearn" / "externals" / "__init__.py").unlink()
    (site / "sklearn" / "externals").rmdir()
    script("from sklearn.externals import joblib; import joblib as today; assert joblib is today", path=site)
    assert TOLD == script.errors


@pytest.mark.parametrize("without", ["joblib", "sklearn"])
def test_what_is_not_installed_is_missing_as_ever(script: Script, site: Path, without: str) -> None:
    (site / without).rename(site / "gone")
    if script.interpreter == sys.executable:
        pytest.skip("scikit-learn is installed here")
    errors = script("from sklearn.externals import joblib", path=site, code=1)
    expected = "No module named 'sklearn" if without == "sklearn" else "cannot import name 'joblib'"
    assert expected in errors
    assert "runyard:" not in errors
    if without == "joblib":
        script("from importlib.util import find_spec; assert find_spec('sklearn.externals.joblib') is None", path=site)


def test_with_the_scikit_learn_that_is_installed_here(script: Script) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed here")
    if script.interpreter != sys.executable:
        pytest.skip("scikit-learn is of this interpreter alone")
    script(
        "import io\nfrom sklearn.externals import joblib\nfrom sklearn.linear_model import Ridge\n"
        "joblib.dump(Ridge(alpha=0.25), 'm.pkl')\nassert joblib.load('m.pkl').alpha == 0.25\n"
    )
    assert TOLD == script.errors


def test_the_next_sitecustomize_runs_as_if_this_one_were_not_there(script: Script, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.user_was_here = __name__, __file__\nHERE = 1\n")
    printed = script(
        "import sys, sitecustomize; print(sys.user_was_here[0], sitecustomize.HERE, sitecustomize.__file__ == sys.user_was_here[1])\n"
        "print([getattr(finder, '__name__', '') for finder in sys.meta_path].count('RenamedFinder'), '_Next' in str(sys.meta_path))",
        path=tmp_path,
    )
    assert ["sitecustomize 1 True", "1 False"] == printed.splitlines()
    assert "" == script.errors


@pytest.mark.parametrize("text", ["raise ValueError('mine')\n", "import nothing_of_this_name\n", "syntax error\n"])
def test_what_the_users_sitecustomize_raises_is_told_as_without_this_one(
    script: Script, tmp_path: Path, text: str
) -> None:
    (tmp_path / "sitecustomize.py").write_text(text)
    script("print('went on')", path=tmp_path)
    with_hook = script.errors
    script("print('went on')", variables={"PYTHONPATH": str(tmp_path)})
    assert with_hook == script.errors
    assert "Error in sitecustomize; set PYTHONVERBOSE for traceback" in with_hook
    script("import sys; assert 'RenamedFinder' in str(sys.meta_path)", path=tmp_path)


def test_a_hook_within_a_hook_adds_one_finder(script: Script, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text((HOOK / "sitecustomize.py").read_text())
    script("import sys; assert str(sys.meta_path).count('RenamedFinder') == 1", path=tmp_path)
    assert "" == script.errors


@pytest.mark.parametrize("flags", [("-S",), ("-I",), ("-E",), ("-s",), ("-B", "-O")])
def test_flags_that_keep_it_out_break_nothing(script: Script, flags: tuple[str, ...]) -> None:
    assert "went on\n" == script("print('went on')", flags=flags)
    assert "" == script.errors


def test_without_site_the_run_is_there_all_the_same(script: Script) -> None:
    assert "exp_1_abc\n" == script("from azureml.core import Run; print(Run.get_context().id)", flags=("-S",))


def test_an_interpreter_that_starts_imports_nothing_for_it(script: Script) -> None:
    printed = script("import sys; print(sorted(sys.modules))").replace("'sitecustomize', ", "")
    bare = script("import sys; print(sorted(sys.modules))", variables={"PYTHONPATH": ""})
    assert bare.replace("'sitecustomize', ", "") == printed
