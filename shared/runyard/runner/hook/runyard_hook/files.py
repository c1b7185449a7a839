"""The run's files: what ``upload_file`` and its kin keep, and where."""

import os
import shutil

_KEPT = ("outputs", "logs")
"""Folders of the working directory that are kept with the run."""
_LOGS = "azureml-logs"


class Files:
    """Uploads and downloads; needs ``_journal``.

    Nothing travels: a file is copied into the run's ``outputs/`` (or ``logs/``), which are kept when the script has ended.
    A name outside of these two is kept below ``outputs/``, and is found again under either name.
    """

    def upload_file(self, name, path_or_stream, datastore_name=None):
        """Keep a file, or what a stream gives, with the run. One of that name is replaced.

        Raises:
            ValueError: if the name leads out of the run's files, or a datastore is named, as there are none.
            OSError: if the file cannot be read.
        """
        _no_datastore(datastore_name)
        target = self._target(name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if hasattr(path_or_stream, "read"):
            data = path_or_stream.read()
            with open(target, "wb") as stream:
                stream.write(data.encode("utf-8") if isinstance(data, str) else data)
            return
        path = os.fspath(path_or_stream)
        if not (os.path.exists(target) and os.path.samefile(path, target)):
            shutil.copyfile(path, target)

    def upload_files(self, names, paths, return_artifacts=False, timeout_seconds=None, datastore_name=None):
        """Keep files with the run, the first path under the first name and so on.

        Returns:
            Each name's path, if ``return_artifacts``.

        Raises:
            ValueError: if there are not as many names as paths.
        """
        names, paths = list(names), list(paths)
        if len(names) != len(paths):
            raise ValueError("upload_files takes as many names as paths, not %d and %d" % (len(names), len(paths)))
        for name, path in zip(names, paths):  # noqa: B905 - since Python 3.10
            self.upload_file(name, path, datastore_name)
        return {name: self._target(name) for name in names} if return_artifacts else None

    def upload_folder(self, name, path, datastore_name=None):
        """Keep a folder with the run, with everything in it, under ``name``.

        Raises:
            ValueError: if there is no such folder.
        """
        _no_datastore(datastore_name)
        path = os.fspath(path)
        if not os.path.isdir(path):
            raise ValueError("upload_folder takes a folder, and %s is none" % path)
        target = self._target(name)
        files = [os.path.join(folder, each) for folder, _, names in os.walk(path) for each in names]
        for source in files:
            if os.path.realpath(source).startswith(os.path.realpath(target) + os.sep):
                continue  # it lies there already
            self.upload_file(name + "/" + os.path.relpath(source, path).replace(os.sep, "/"), source)

    def download_file(self, name, output_file_path=None, _validate_checksum=False):
        """Copy a file of the run; to its own name in the current folder, if no path is given.

        Raises:
            FileNotFoundError: if the run has no such file.
        """
        source = self._find(name)
        target = os.path.basename(name) if output_file_path is None else os.fspath(output_file_path)
        if os.path.isdir(target):
            target = os.path.join(target, os.path.basename(name))
        if os.path.dirname(target):
            os.makedirs(os.path.dirname(target), exist_ok=True)
        if not (os.path.exists(target) and os.path.samefile(source, target)):
            shutil.copyfile(source, target)

    def download_files(
        self,
        prefix=None,
        output_directory=None,
        output_paths=None,
        batch_size=100,
        append_prefix=True,
        timeout_seconds=None,
    ):
        """Copy the run's files whose names begin with ``prefix``, into ``output_directory`` or to ``output_paths``.

        Without ``append_prefix`` their names there lack the prefix.
        """
        names = [name for name in self.get_file_names() if not prefix or name.startswith(prefix)]
        if output_paths is None:
            cut = len(prefix) if prefix and not append_prefix else 0
            base = os.fspath(output_directory) if output_directory is not None else os.curdir
            output_paths = [os.path.join(base, name[cut:].lstrip("/") or os.path.basename(name)) for name in names]
        elif not isinstance(output_paths, (list, tuple)):
            output_paths = [output_paths]
        if len(output_paths) != len(names):
            raise ValueError("download_files found %d files and was given %d paths" % (len(names), len(output_paths)))
        for name, path in zip(names, output_paths):  # noqa: B905 - since Python 3.10
            self.download_file(name, path)

    def get_file_names(self):
        """The names of the run's files as they are now, sorted."""
        found = []
        bases = [(self._work, folder) for folder in _KEPT] + [(self._folder, _LOGS)]
        for base, top in bases:
            for folder, _, names in os.walk(os.path.join(base, top)):
                found.extend(os.path.relpath(os.path.join(folder, name), base).replace(os.sep, "/") for name in names)
        return sorted(found)

    def take_snapshot(self, file_or_folder_path):
        """Keep a file or folder in the outputs, under ``snapshots/``.

        Returns:
            Its name among the run's files.
        """
        name = "outputs/snapshots/%s" % (os.path.basename(os.path.abspath(file_or_folder_path)) or "root")
        if os.path.isdir(file_or_folder_path):
            self.upload_folder(name, file_or_folder_path)
        else:
            self.upload_file(name, file_or_folder_path)
        return name

    @property
    def _work(self):
        return os.path.dirname(os.path.abspath(self._journal.outputs))

    @property
    def _folder(self):
        return os.path.dirname(os.path.abspath(self._journal.path))

    def _target(self, name):
        kept = _plain(name)
        if kept.split("/")[0] not in _KEPT or "/" not in kept:
            kept = "outputs/" + kept
        return os.path.join(self._work, kept)

    def _find(self, name):
        kept = _plain(name)
        for path in (self._target(name), os.path.join(self._folder, kept) if kept.startswith(_LOGS + "/") else ""):
            if os.path.isfile(path):
                return path
        known = self.get_file_names()
        raise FileNotFoundError(
            "the run has no file %r; it has %s"
            % (name, ", ".join(known[:10]) + (", …" if known[10:] else "") or "none")
        )


def _plain(name):
    """A name with single slashes and without ``.``.

    Raises:
        ValueError: if it is empty, absolute, or leads out.
    """
    given = str(name).replace("\\", "/")
    parts = [part for part in given.split("/") if part not in ("", ".")]
    if not parts or given.startswith("/") or ".." in parts or "\0" in given:
        raise ValueError("a run's file has a relative name without '..', not %r" % (name,))
    return "/".join(parts)


def _no_datastore(name):
    if name is not None:
        raise ValueError(
            "there are no datastores here; leave datastore_name=%r out to keep the file with the run" % (name,)
        )
