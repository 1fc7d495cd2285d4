"""The snapshots `.state.json` and `.state.json.bak` against the fold of the journal (L11)."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from core.model.codec import encode
from core.model.ledger import Ledger
from runner.adapters.state_store import STATE_NAME
from tools.audit.chain import Unreadable, json_object
from tools.audit.findings import At, Findings

NAMES = (STATE_NAME, f"{STATE_NAME}.bak")
_SEAL = re.compile(rb'(.*),"sha256":"([0-9a-f]{64})"\}\n', re.DOTALL)


class StateFile:
    """One snapshot: the place in the journal that it claims, and its ledger as it is written."""

    def __init__(self, path: Path, seq: int, hash_there: str, ledger: object, findings: Findings) -> None:
        self.path = path
        self.seq = seq
        self.was_compared = False
        self._hash = hash_there
        self._ledger = ledger
        self._at = At(findings=findings, file=path, line=1, seq=seq)

    def compare(self, record_hash: str, ledger: Ledger) -> None:
        """Compare with the fold up to the record that it names."""
        self.was_compared = True
        if record_hash != self._hash:
            self._at.report("state", f"the journal's record has hash {record_hash[:16]}", f"{self._hash[:16]}")
        folded = encode(ledger)
        if json.dumps(folded) != json.dumps(self._ledger):  # as text: the order of keys is part of it
            names = [name for name in folded if folded[name] != _part(self._ledger, name)] or ["the order of keys"]
            self._at.report("state", f"{', '.join(names)}: not what the journal adds up to", "the fold of the journal")

    def finish(self, last_seq: int) -> None:
        """Say so when its place never came."""
        if not self.was_compared and self.seq > last_seq:
            self._at.report("state", f"it claims seq {self.seq} of the journal", f"at most {last_seq}, the last one")


def load_states(data_dir: Path, findings: Findings) -> list[StateFile]:
    """
    Read the snapshots that are there.

    Raises:
        Unreadable: One is there and cannot be read.
    """
    found = [_load(data_dir / name, findings) for name in NAMES]
    return [state for state in found if state is not None]


def _load(path: Path, findings: Findings) -> StateFile | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}; run this as the bot's own user") from error
    at = At(findings=findings, file=path, line=1, seq=None)
    seal, document = _SEAL.fullmatch(data), json_object(data)
    if seal is None or document is None or hashlib.sha256(seal[1]).hexdigest().encode() != seal[2]:
        at.report("state", "its bytes were damaged or edited", "a JSON object that ends with its own sha256")
        return None
    place = document.get("journal")
    if not isinstance(place, dict) or type(place.get("seq")) is not int or type(place.get("hash")) is not str:
        at.report("state", f"it does not say its place in the journal: {place}", "journal.seq and journal.hash")
        return None
    return StateFile(path, place["seq"], place["hash"], document.get("ledger"), findings)


def _part(ledger: object, name: str) -> Any:
    return ledger.get(name) if isinstance(ledger, dict) else None
