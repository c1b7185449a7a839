"""Packages, options and channels of a conda document, with the methods of the Azure ML SDK v1 that change them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from runyard.environment.conda_document import MAX_ENTRY, Document, pip_lists
from runyard.environment.conda_options import fault_of_option, with_option, without_option
from runyard.environment.conda_pip import PipEntry, fault_of_pip, is_option, parse_entry
from runyard.environment.conda_secrets import shown
from runyard.environment.specification import conda_name, conda_version, fault_of_conda
from runyard.errors import RunconfigError

_TENSORFLOW: Final = frozenset({"tensorflow", "tensorflow-cpu", "tensorflow-gpu", "tensorflow-mkl", "tensorflow-eigen"})
_TENSORFLOW_VERSION: Final = "2.2.0"
_VERSION: Final = re.compile(r"[0-9=<>!~][0-9A-Za-z.*+!_<>=,|~ -]*")
_CNTK: Final = frozenset({"cntk", "cntk-gpu"})
_CNTK_VERSION: Final = "2.7"


def text_argument(value: object, what: str) -> str:
    """An argument that must be a text of one line.

    Raises:
        RunconfigError: if it is something else.
    """
    if not isinstance(value, str):
        hint = "; write it in quotes, since the number 3.10 is 3.1" if isinstance(value, float) else ""
        raise RunconfigError(f"{what} must be a text, not {value.__class__.__name__}{hint}")
    text = value.strip()
    if len(text.splitlines()) != 1 or "\0" in text or len(text) > MAX_ENTRY:
        raise RunconfigError(
            f"{what} must be one line of text with at most {MAX_ENTRY:,} characters, not {shown(value)}"
        )
    return text


def list_argument(value: object, what: str) -> list[str]:
    """An argument that must be a list of texts; a lone text is refused, since its letters would be taken one by one.

    Raises:
        RunconfigError: if it is something else.
    """
    if value is None:
        return []
    if isinstance(value, (str, bytes, dict)) or not isinstance(value, Iterable):
        raise RunconfigError(f"{what} must be a list of texts, not {value.__class__.__name__}; write ['numpy']")
    return [text_argument(each, f"an entry of {what}") for each in value]


class CondaEditing:
    """A conda document and the ways to look at it and change it."""

    _document: Document

    @property
    def conda_packages(self) -> list[str]:
        """The conda packages as written, in the file's order: a copy.

        The SDK gives an iterator, which has no length.
        """
        return [item for item in self._document.get("dependencies", []) if isinstance(item, str)]

    @property
    def pip_packages(self) -> list[str]:
        """The pip packages as written, in the file's order: a copy.

        All ``pip`` lists of the file count, where the SDK only sees the last. ``-e`` names a package and stands here, where
        the SDK takes it for an option.
        """
        return [entry for entry in self._pip_entries() if not is_option(entry)]

    @property
    def pip_options(self) -> list[str]:
        """The pip options as written (``--index-url URL``, ``-r FILE``, …), in the file's order: a copy."""
        return [entry for entry in self._pip_entries() if is_option(entry)]

    @property
    def conda_channels(self) -> list[str]:
        """The channels in their order, the first wins: a copy."""
        return list(self._document.get("channels", []))

    def add_channel(self, channel: str) -> None:
        """Put a channel behind the others, unless it is there.

        Raises:
            RunconfigError: if it is no text.
        """
        channel = text_argument(channel, "a channel")
        if channel not in self.conda_channels:
            self._document.setdefault("channels", []).append(channel)

    def remove_channel(self, channel: str) -> None:
        """Take a channel away, if it is there."""
        if channel in self.conda_channels:
            self._document["channels"] = [each for each in self.conda_channels if each != channel]

    def add_conda_package(self, conda_package: str) -> None:
        """Add a conda package; one of the same name is replaced where it stands.

        The SDK compares whole texts, so that ``numpy=1.15`` added to ``numpy=1.14`` leaves both, which conda cannot solve.

        Raises:
            RunconfigError: if conda would not understand it.
        """
        package = text_argument(conda_package, "a conda package")
        fault = fault_of_conda(package)
        if fault:
            raise RunconfigError(f"conda package: {fault}")
        name = conda_name(package)
        if not self._replace_conda(lambda each: conda_name(each) == name, package):
            self._document.setdefault("dependencies", []).append(package)

    def remove_conda_package(self, conda_package: str) -> None:
        """Take away the conda package of this name, whatever its version; ``numpy`` and ``numpy=1.15`` mean the same.

        Raises:
            RunconfigError: for ``python``, as in the SDK.
        """
        name = conda_name(text_argument(conda_package, "a conda package"))
        if name == "python":
            raise RunconfigError(
                "python must not be removed from the conda packages; use set_python_version to change it"
            )
        self._replace_conda(lambda each: conda_name(each) == name, None)

    def add_pip_package(self, pip_package: str) -> None:
        """Add a pip package: a requirement, a URL, or ``-e FOLDER``; one of the same name is replaced where it stands.

        Names are compared as pip does (``Azureml_SDK`` is ``azureml-sdk``), without extras and versions. Two entries whose
        environment markers differ stand side by side. The SDK moves a replaced package to the end.

        Raises:
            RunconfigError: for an option, or what pip would not understand.
        """
        package = text_argument(pip_package, "a pip package")
        if is_option(package):
            raise RunconfigError(f"{shown(package)} is an option of pip; use set_pip_option")
        wish = parse_entry(package)
        if wish.fault:
            raise RunconfigError(f"pip package: {wish.fault}")

        def same(entry: str) -> bool:
            other = parse_entry(entry)
            apart = wish.marker and other.marker and wish.marker != other.marker
            return _is_same(other, wish) and not apart

        self._put_pip(same, package)

    def remove_pip_package(self, pip_package: str) -> None:
        """Take away the pip package of this name, whatever its version, extras and marker, also where ``-e`` or a URL names it.

        Raises:
            RunconfigError: for an option.
        """
        package = text_argument(pip_package, "a pip package")
        if is_option(package):
            raise RunconfigError(f"{shown(package)} is an option of pip; use remove_pip_option")
        wish = parse_entry(package)
        for entries in pip_lists(self._document):
            entries[:] = [entry for entry in entries if is_option(entry) or not _is_same(parse_entry(entry), wish)]

    def set_pip_option(self, pip_option: str) -> None:
        """Set an option of pip, such as ``--pre`` or ``--find-links URL``.

        An option that may stand once (``--index-url``) takes the place of its namesake in any spelling (``-i``,
        ``--index-url=``); one that may be repeated (``--extra-index-url``, ``--find-links``, ``-r``, …) is added, where the
        SDK overwrites the ones that are there. ``-e FOLDER`` is added as a package.

        Raises:
            RunconfigError: if it does not begin with ``-``, or pip does not know it.
        """
        option = text_argument(pip_option, "a pip option")
        if not option.startswith("-"):
            raise RunconfigError(f"{shown(option)} is no option of pip: an option begins with '-'; use add_pip_package")
        if not is_option(option):
            self.add_pip_package(option)
            return
        fault = fault_of_option(option)
        if fault:
            raise RunconfigError(f"pip option: {fault}")
        if not pip_lists(self._document):
            self._put_pip(lambda _: False, option)
            return
        self._change_options(lambda options: with_option(options, option))

    def remove_pip_option(self, pip_option: str) -> None:
        """Take away an option of pip, in any spelling.

        A name alone takes all of that name. With a value, one that may be repeated goes only where the value is the same.

        Raises:
            RunconfigError: if it does not begin with ``-``.
        """
        option = text_argument(pip_option, "a pip option")
        if not option.startswith("-"):
            raise RunconfigError(f"{shown(option)} is no option of pip: an option begins with '-'")
        if not is_option(option):
            self.remove_pip_package(option)
            return
        self._change_options(lambda options: without_option(options, option))

    def set_pip_requirements(self, pip_requirements: list[str]) -> None:
        """Put these entries, packages and options, in the place of all that pip has.

        Raises:
            RunconfigError: if an entry is none that pip understands.
        """
        entries = list_argument(pip_requirements, "pip_requirements")
        for entry in entries:
            fault = fault_of_pip(entry)
            if fault:
                raise RunconfigError(f"pip_requirements: {fault}")
        lists = pip_lists(self._document)
        for each in lists[1:]:
            each.clear()
        if lists:
            lists[0][:] = entries
        elif entries:
            self._document.setdefault("dependencies", []).append({"pip": entries})

    def set_pip_index_url(self, index_url: str) -> None:
        """Set the index that pip asks, by its URL; the SDK's form ``--index-url URL`` is understood as well.

        Raises:
            RunconfigError: if it is no text of one line.
        """
        url = text_argument(index_url, "index_url")
        self.set_pip_option(url if url.startswith("-") else f"--index-url {url}")

    def get_python_version(self) -> str | None:
        """The version of Python that is asked for: ``3.6.2``, or a range such as ``>=3.6,<3.8``; ``None`` if none is.

        The SDK finds no version in ``python=3.6.*`` and half of one in a range.
        """
        found = [package for package in self.conda_packages if conda_name(package) == "python"]
        return conda_version(found[0]) if found else None

    def set_python_version(self, version: str) -> None:
        """Ask for a version of Python: ``3.6.2`` (which conda takes as ``3.6.2*``) or a range such as ``>=3.6,<3.8``.

        Raises:
            RunconfigError: for a number, since 3.10 is 3.1, or what is no version.
        """
        text = text_argument(version, "version")
        if not _VERSION.fullmatch(text):
            raise RunconfigError(f"{shown(text)} is no version of Python; write '3.8', '3.6.2' or '>=3.6,<3.8'")
        package = f"python={text}" if text[0].isdigit() else f"python{text}"
        if not self._replace_conda(lambda each: conda_name(each) == "python", package):
            self._document.setdefault("dependencies", []).insert(0, package)

    def add_cntk_package(self, core_type: str = "cpu") -> None:
        """Add the Cognitive Toolkit from pip for ``cpu`` or ``gpu``, in the place of another of its packages.

        Raises:
            RunconfigError: for another ``core_type``.
        """
        self._put_variant("cntk", _CNTK, core_type, f"=={_CNTK_VERSION}")

    def add_tensorflow_pip_package(self, core_type: str = "cpu", version: str | None = None) -> None:
        """Add TensorFlow from pip for ``cpu`` or ``gpu``, in the place of another TensorFlow.

        The SDK removes every package whose name begins with ``tensorflow``, ``tensorflow-hub`` too; here those stay.

        Raises:
            RunconfigError: for another ``core_type``.
        """
        self._put_variant("tensorflow", _TENSORFLOW, core_type, f"=={version or _TENSORFLOW_VERSION}")

    def add_tensorflow_conda_package(self, core_type: str = "cpu", version: str | None = None) -> None:
        """Add TensorFlow from conda for ``cpu`` or ``gpu``, in the place of another TensorFlow among the conda packages.

        Raises:
            RunconfigError: for another ``core_type``.
        """
        package = f"{_variant('tensorflow', core_type)}={version or _TENSORFLOW_VERSION}"
        if not self._replace_conda(lambda each: conda_name(each) in _TENSORFLOW, package):
            self.add_conda_package(package)

    def _pip_entries(self) -> list[str]:
        return [entry for entries in pip_lists(self._document) for entry in entries]

    def _put_variant(self, name: str, variants: frozenset[str], core_type: str, version: str) -> None:
        package = f"{_variant(name, core_type)}{version}"
        self._put_pip(lambda entry: parse_entry(entry).name in variants, package)

    def _replace_conda(self, is_meant: Callable[[str], bool], package: str | None) -> bool:
        """Put ``package``, or nothing, in the place of the conda packages that are meant; whether there was one."""
        kept: list[object] = []
        found = False
        for item in self._document.get("dependencies", []):
            if not isinstance(item, str) or not is_meant(item):
                kept.append(item)
                continue
            if package is not None and not found:
                kept.append(package)
            found = True
        if found:
            self._document["dependencies"] = kept
        return found

    def _put_pip(self, is_meant: Callable[[str], bool], package: str) -> None:
        """Put an entry in the place of the packages that are meant, or at the end."""
        found = False
        lists = pip_lists(self._document)
        for entries in lists:
            kept = []
            for entry in entries:
                if is_option(entry) or not is_meant(entry):
                    kept.append(entry)
                    continue
                if not found:
                    kept.append(package)
                found = True
            entries[:] = kept
        if found:
            return
        if lists:
            lists[-1].append(package)
        else:
            self._document.setdefault("dependencies", []).append({"pip": [package]})

    def _change_options(self, change: Callable[[list[str]], list[str | None]]) -> None:
        """Change the option lines of all ``pip`` lists, each in its place; new ones go to the end of the last list."""
        lists = pip_lists(self._document)
        changed = iter(change(self.pip_options))
        for entries in lists:
            places = [next(changed) if is_option(entry) else entry for entry in entries]
            entries[:] = [entry for entry in places if entry is not None]
        new = [option for option in changed if option is not None]
        if new:
            lists[-1].extend(new)


def _is_same(one: PipEntry, other: PipEntry) -> bool:
    return one.key == other.key


def _variant(name: str, core_type: str) -> str:
    if core_type not in {"cpu", "gpu"}:
        raise RunconfigError(f"core_type is {shown(str(core_type))}; 'cpu' and 'gpu' are allowed")
    return f"{name}-gpu" if core_type == "gpu" else name
