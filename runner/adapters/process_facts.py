"""What only this machine knows: memory of the process, free disk, hash of the code that runs."""

import hashlib
import os
import shutil
from pathlib import Path

_CODE_FOLDERS = ("core", "runner")


def rss_mb() -> float | None:
    """Return the resident memory of this process in MB (10^6 bytes); None when it cannot be asked."""
    import psutil  # noqa: PLC0415 - not needed in virtual time, and it costs memory

    try:
        return float(round(psutil.Process(os.getpid()).memory_info().rss / 1e6, 1))
    except (OSError, psutil.Error):
        return None


def free_disk_mb(folder: Path) -> int | None:
    """Return the free space of the folder's file system in MB; None when it cannot be asked."""
    try:
        return shutil.disk_usage(folder).free // 1_000_000
    except OSError:
        return None


def code_hash(root: Path) -> str:
    """Return 16 hex digits of SHA-256 over path and bytes of every Python file that decides or acts."""
    digest = hashlib.sha256()
    for folder in _CODE_FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            content = path.read_bytes()
            digest.update(f"{path.relative_to(root).as_posix()}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()[:16]
