"""Change the records of a chain and seal all of them anew: only their content can give it away then."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

AUDIT, JOURNAL, ANCHORS = "247trader-v2_audit.jsonl", "journal.jsonl", "247trader-v2_anchors.jsonl"
NO_HASH = "0" * 64

Records = list[dict[str, Any]]


def sealed(records: Records) -> bytes:
    """Return the lines of a chain of its own; written without the program's writer."""
    prev, raw = NO_HASH, b""
    for seq, record in enumerate(records, 1):
        body = {key: value for key, value in record.items() if key not in ("seq", "prev", "hash")}
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        start = f'{text[:-1]},"seq":{seq},"prev":"{prev}"'.encode()
        prev = hashlib.sha256(start).hexdigest()
        raw += start + f',"hash":"{prev}"}}\n'.encode()
    return raw


def reseal(path: Path, edit: Callable[[Records], object]) -> None:
    records = [json.loads(line) for line in path.read_bytes().splitlines()]
    edit(records)
    path.write_bytes(sealed(records))
