"""The tree hash of RFC 6962 in O(log n) memory."""

import hashlib

import pytest

from runner.records.chain import START, seal
from runner.records.merkle import ROOT_OF_NOTHING, Tree, begins_chain

ENTRIES = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
"""The test data of Certificate Transparency's own implementations, in hex."""


def by_definition(entries: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word by word."""
    if len(entries) < 2:
        return hashlib.sha256(b"\0" + entries[0]).digest() if entries else hashlib.sha256().digest()
    k = 1 << ((len(entries) - 1).bit_length() - 1)
    return hashlib.sha256(b"\1" + by_definition(entries[:k]) + by_definition(entries[k:])).digest()


@pytest.mark.parametrize("size", range(1, len(ENTRIES) + 1))
def test_the_root_is_that_of_the_known_test_data(size: int) -> None:
    tree = Tree()
    for entry in ENTRIES[:size]:
        tree.add(entry)

    assert tree.root() == ROOTS[size - 1]


def test_the_root_is_the_one_of_the_definition_at_every_size() -> None:
    tree, entries = Tree(), []
    assert tree.root() == by_definition([]).hex() == ROOT_OF_NOTHING
    for number in range(130):
        entry = hashlib.sha256(str(number).encode()).digest()
        entries.append(entry)
        tree.add(entry.hex())

        assert (tree.size, tree.root()) == (number + 1, by_definition(entries).hex())


def test_the_memory_is_one_hash_for_each_bit_of_the_size() -> None:
    tree = Tree()
    for _ in range(1023):
        tree.add("00")

    assert len(tree._peaks) == 10


def test_an_anchor_names_chain_size_root_and_first_record() -> None:
    tree = Tree()
    tree.add("ab" * 32)
    tree.add("cd" * 32)

    anchor = tree.anchor("audit")

    assert anchor.as_json() == {"chain": "audit", "size": 2, "root": tree.root(), "first": "ab" * 8}
    assert str(anchor) == f"audit:2:{tree.root()}"


def test_only_the_first_record_begins_a_chain() -> None:
    first, place = seal({"n": 1}, START)
    second, _ = seal({"n": 2}, place)

    assert begins_chain(first)
    assert not begins_chain(second)
