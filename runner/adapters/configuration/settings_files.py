"""
The configuration on disk: strict reading, the checks before a start, and the watch for edits while running.

Only the effective content counts: a comment, the order of keys or 25 for 25.0 is no change.
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.config_checks.all_checks import check, check_documents, without_reported_keys
from core.config_checks.findings import Finding, FindingSeverity
from core.errors import ConfigError
from core.settings import Settings
from core.settings_builder import CONFIG_FILES, Document, build_settings, hash_documents
from runner.adapters.configuration.schemas import check_shapes
from runner.adapters.configuration.strict_yaml import parse_strict

FILE_BYTES_MAX = 256 * 1024


def settings_of(documents: Mapping[str, Document]) -> Settings:
    """
    Return the settings of parsed files in which no check finds an error; warnings do not block.

    Raises:
        ConfigError: A check failed; one line per finding.
    """
    _raise_errors(findings(documents))
    return build_settings(documents)


def load_documents(config_dir: Path) -> Mapping[str, Document]:
    """
    Return the four parsed files, keyed by their names without `.yaml`.

    Raises:
        ConfigError: Some cannot be read; one line for each that cannot.
    """
    documents, unreadable = _read_all(config_dir)
    _raise_errors(unreadable)
    return documents


def examine(config_dir: Path) -> tuple[Finding, ...]:
    """Return everything that is wrong with a configuration directory; unreadable files hide all else."""
    documents, unreadable = _read_all(config_dir)
    return unreadable or findings(documents)


def findings(documents: Mapping[str, Document]) -> tuple[Finding, ...]:
    """Return all that the checks say; the logical ones speak only once the shape of every file is right."""
    early = check_documents(documents)
    known = without_reported_keys(documents)
    shapes = check_shapes(known)
    if shapes:
        reported = {(finding.file, finding.key) for finding in early}
        return early + tuple(item for item in shapes if (item.file, item.key) not in reported)
    return early + check(known)


def _raise_errors(found: tuple[Finding, ...]) -> None:
    errors = [finding.text() for finding in found if finding.severity is FindingSeverity.ERROR]
    if errors:
        raise ConfigError("\n".join(errors))


def _read_all(config_dir: Path) -> tuple[Mapping[str, Document], tuple[Finding, ...]]:
    documents: dict[str, Document] = {}
    unreadable: list[Finding] = []
    for name in CONFIG_FILES:
        try:
            documents[name] = _read(config_dir / f"{name}.yaml")
        except ConfigError as error:
            unreadable.append(_unreadable(f"{name}.yaml", str(error)))
    return documents, tuple(unreadable)


def _unreadable(file: str, text: str) -> Finding:
    message, _, fix = text.removeprefix(f"{file} ").partition(". Fix: ")
    return Finding(
        code="UNREADABLE", severity=FindingSeverity.ERROR, file=file, key="", value="", message=message, fix=fix
    )


def document_hashes(documents: Mapping[str, Document]) -> Mapping[str, str]:
    """Return the hash of each file's effective content, for `ConfigWatch`."""
    return {name: hash_documents({name: document}) for name, document in documents.items()}


@dataclass(frozen=True, slots=True)
class _Seen:
    """A file as it was when it was last read: its stat, and what was wrong with it then ("" for nothing)."""

    mark: tuple[int, ...]
    verdict: str


class ConfigWatch:
    """
    Tell when the configuration on disk is no longer the one in force. Four `stat` calls when nothing was touched.

    It never loads anything: configuration is immutable while running (design 6).
    """

    def __init__(self, config_dir: Path, loaded_hashes: Mapping[str, str]) -> None:
        self._paths = {name: config_dir / f"{name}.yaml" for name in CONFIG_FILES}
        self._hashes = loaded_hashes
        self._seen: dict[str, _Seen] = {}  # empty: the first look reads, so an edit since the load is not missed

    def changed(self) -> str | None:
        """Return what differs, file by file, or None when the files still say what was loaded."""
        verdicts = [self._verdict(name, path) for name, path in self._paths.items()]
        return "; ".join(verdict for verdict in verdicts if verdict) or None

    def _verdict(self, name: str, path: Path) -> str:
        try:
            mark = _mark(os.stat(path))
        except OSError as error:
            self._seen.pop(name, None)
            return f"{path.name} cannot be read ({error.strerror}); restore it"
        seen = self._seen.get(name)
        if seen is None or seen.mark != mark:
            seen = self._seen[name] = _Seen(mark, self._compare(name, path))
        return seen.verdict

    def _compare(self, name: str, path: Path) -> str:
        try:
            now = hash_documents({name: _read(path)})
        except ConfigError as error:
            return str(error)
        if now == self._hashes[name]:
            return ""
        return f"{path.name} differs from the loaded configuration; restart to use it, or undo the edit"


def _mark(status: os.stat_result) -> tuple[int, ...]:
    # The change time is in it because a file that was unreadable may become readable without being written.
    return (status.st_mtime_ns, status.st_size, status.st_ino, status.st_ctime_ns)


def _read(path: Path) -> Document:
    """Return one parsed file; a file that grows, blocks or is not a file at all is refused."""
    try:
        content = _bytes(path)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}). Fix: restore it, check its permissions"
        ) from error
    if len(content) > FILE_BYTES_MAX:
        raise ConfigError(f"{path}: larger than {FILE_BYTES_MAX} bytes. Fix: restore it from the repository")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path.name} line {line}: not UTF-8 text. Fix: save the file as UTF-8") from error
    return parse_strict(text, path.name)


def _bytes(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO must not make us wait
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ConfigError(f"{path}: not a regular file. Fix: put the file itself there")
        return file.read(FILE_BYTES_MAX + 1)
