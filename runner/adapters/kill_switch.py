"""The kill switch: a file whose existence stops trading (L5). What cannot be told counts as present."""

import os
import stat
from pathlib import Path

from core.ports import KillCommand

FILE_NAME = "KILL_SWITCH"
TEXT_BYTES_MAX = 4096


class FileKillSwitch:
    """Look for one file. Nothing is remembered between two looks: the file itself is the latch."""

    def __init__(self, data_dir: Path) -> None:
        self._path = str(data_dir / FILE_NAME)  # not a Path: the file is looked for several times a cycle
        self._folder = str(data_dir)

    def read(self) -> KillCommand | None:
        """
        Return None only when the file is certainly not there; anything else stops trading.

        Its text may say `cancel-all`; whatever else it says, or cannot be read, means STOP.
        """
        try:
            os.lstat(self._path)
        except FileNotFoundError:
            return None if self._folder_is_there() else KillCommand.STOP
        except OSError:
            return KillCommand.STOP
        return KillCommand.CANCEL_ALL if self._text() == b"cancel-all" else KillCommand.STOP

    def _folder_is_there(self) -> bool:
        """Without its folder, nobody can tell whether the file would be in it."""
        try:
            return stat.S_ISDIR(os.stat(self._folder).st_mode)
        except OSError:
            return False

    def _text(self) -> bytes:
        """Return the file's text in lower case, b"" when there is none to read; a FIFO must not stop us."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
                return os.read(descriptor, TEXT_BYTES_MAX).strip().lower() if is_file else b""
            finally:
                os.close(descriptor)
        except OSError:
            return b""
