"""
Merkle tree hash over the records of a chain (RFC 6962, section 2.1), in O(log n) memory.

The n-th entry is the 32 bytes of the n-th record's `hash`, which commits to every byte of its line and of all lines
before it: a leaf is SHA-256(0x00 || entry), a node SHA-256(0x01 || left || right). So whoever has verified the chain
has the tree for two small hashes more a record, and whoever has kept a size and a root can prove that a log was only
continued since: the root over its first `size` records is still the same.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from runner.records.chain import NO_HASH, SEAL_BYTES

ROOT_OF_NOTHING = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """
    What to keep outside of this machine: the root over the first `size` records of a chain.

    `first` names the chain: the first 16 digits of its first record's hash ("" for an empty one).
    """

    chain: str
    size: int
    root: str
    first: str

    def as_json(self) -> dict[str, Any]:
        return {"chain": self.chain, "size": self.size, "root": self.root, "first": self.first}

    def __str__(self) -> str:
        return f"{self.chain}:{self.size}:{self.root}"


class Tree:
    """The roots of the complete subtrees of the records so far, largest first: all that the next root depends on."""

    def __init__(self) -> None:
        self.size = 0
        self.first = ""
        self._peaks: list[bytes] = []

    def add(self, record_hash: str) -> None:
        """Append one record, by its hash in hex."""
        if not self.size:
            self.first = record_hash[:16]
        node = hashlib.sha256(b"\0" + bytes.fromhex(record_hash)).digest()
        size = self.size
        while size & 1:  # as many trailing ones in the old size, so many subtrees become one
            node = hashlib.sha256(b"\1" + self._peaks.pop() + node).digest()
            size >>= 1
        self._peaks.append(node)
        self.size += 1

    def root(self) -> str:
        """Return the tree hash over all records so far, in hex; of none, the hash of nothing."""
        if not self._peaks:
            return ROOT_OF_NOTHING
        node = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            node = hashlib.sha256(b"\1" + peak + node).digest()
        return node.hex()

    def anchor(self, chain: str) -> Anchor:
        return Anchor(chain=chain, size=self.size, root=self.root(), first=self.first)


def begins_chain(line: bytes) -> bool:
    """Tell whether a sealed line is the first of its chain: only that one has no record before it."""
    return line.endswith(_FIRST_LINK, 0, -SEAL_BYTES)


_FIRST_LINK = f',"seq":1,"prev":"{NO_HASH}"'.encode("ascii")
