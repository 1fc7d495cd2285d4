"""The verifiers and the anchors: what was changed, cut or left out afterwards is found (L1, L10, L11)."""

from tests.planted_bugs.bug import Bug

VERIFY = "tests/tools/audit/test_verify.py"
ALONE = "tests/tools/test_verify_alone.py"
DAMAGE = "tests/tools/audit/test_damage.py"
MERKLE = "tests/runner/test_merkle.py"
OTHER_STORY = f"{VERIFY}::test_a_line_that_tells_another_story_is_found"

BUGS = (
    Bug(
        name="verifier-accepts-a-gap-in-the-sequence",
        breaks="L1",
        file="tools/audit/chain.py",
        old="            is_next = raw.endswith(link)\n",
        new="            is_next = raw.endswith(link) or (raw.endswith(seal_of(digest)) and self.seq > 0)\n",
        caught_by=(f"{DAMAGE}::test_every_deleted_line_is_detected",),
    ),
    Bug(
        name="verifier-accepts-an-edited-line",
        breaks="L1",
        file="tools/audit/chain.py",
        old="            is_next = raw.endswith(link)\n",
        new="            is_next = b',\"seq\":%d,' % (self.seq + 1) in raw and raw.endswith(b'\"}\\n')\n",
        caught_by=(f"{DAMAGE}::test_flipped_bits_are_detected",),
    ),
    Bug(
        name="verifier-accepts-a-missing-file",
        breaks="L1",
        file="tools/audit/chain.py",
        old="                self._at(path, 0).report(",
        new="                _ = (path, 0, ",
        caught_by=(f"{VERIFY}::test_a_missing_file_of_a_chain_is_found",),
    ),
    Bug(
        name="verifier-accepts-a-cycle-without-a-line",
        breaks="L1",
        file="tools/audit/verify.py",
        old="            if silent and history.is_whole:\n",
        new="            if len(silent) > 1 and history.is_whole:\n",
        caught_by=(OTHER_STORY,),
    ),
    Bug(
        name="verifier-accepts-a-wrong-ledger",
        breaks="L10",
        file="tools/audit/history.py",
        old="            if value != books[name]:\n",
        new="            if name not in books:\n",
        caught_by=("tests/tools/audit/test_history.py",),
    ),
    Bug(
        name="verifier-accepts-a-state-that-is-not-the-fold",
        breaks="L11",
        file="tools/audit/state_check.py",
        old="        if json.dumps(folded) != json.dumps(self._ledger):",
        new="        if folded.keys() != self._ledger.keys():",
        caught_by=(f"{VERIFY}::test_a_snapshot_that_is_not_the_fold_is_found",),
    ),
    Bug(
        name="verifier-accepts-two-writers",
        breaks="L14",
        file="tools/audit/lines.py",
        old="        if run in self._runs:\n",
        new="        if run == self._run:\n",
        caught_by=(OTHER_STORY,),
    ),
    Bug(
        name="verifier-does-not-hold-lines-against-the-journal",
        breaks="L11",
        file="tools/audit/lines.py",
        old="            if value != expected[name]:\n",
        new="            if name not in expected:\n",
        caught_by=(OTHER_STORY,),
    ),
    Bug(
        name="independent-verifier-accepts-a-gap-in-the-sequence",
        breaks="L1",
        file="tools/verify_alone.py",
        old='                if (body["seq"], body["prev"]) != (seq + 1, prev):\n',
        new='                if body["seq"] <= seq:\n',
        caught_by=(f"{ALONE}::test_it_finds_damaged_bytes",),
    ),
    Bug(
        name="independent-verifier-accepts-a-missing-line",
        breaks="L1",
        file="tools/verify_alone.py",
        old="    if audit_path and silent and size == _size(journal_path):",
        new="    if audit_path and len(silent) > 1 and size == _size(journal_path):",
        caught_by=(f"{ALONE}::test_it_finds_a_line_that_tells_another_story",),
    ),
    Bug(
        name="independent-verifier-accepts-a-wrong-ledger",
        breaks="L10",
        file="tools/verify_alone.py",
        old="        expected |= journal.books.as_line()\n",
        new='        expected |= {**journal.books.as_line(), "cash": portfolio["cash"]}\n',
        caught_by=(f"{ALONE}::test_it_finds_a_line_that_tells_another_story",),
    ),
    Bug(
        name="root-of-the-wrong-size",
        breaks="L1",
        file="runner/records/merkle.py",
        old="        return Anchor(chain=chain, size=self.size, root=self.root(), first=self.first)\n",
        new="        return Anchor(chain=chain, size=self.size - 1, root=self.root(), first=self.first)\n",
        caught_by=(f"{MERKLE}::test_an_anchor_names_chain_size_root_and_first_record",),
    ),
    Bug(
        name="leaves-hashed-as-nodes",
        breaks="L1",
        file="runner/records/merkle.py",
        old='hashlib.sha256(b"\\0" + bytes.fromhex(record_hash))',
        new='hashlib.sha256(b"\\1" + bytes.fromhex(record_hash))',
        caught_by=(MERKLE,),
    ),
    Bug(
        name="anchor-without-the-last-record",
        breaks="L1",
        file="runner/adapters/anchor_file.py",
        old="            self._tree.add(position.hash)\n            if self._hour != self._present_hour():\n"
        "                self.write()\n",
        new="            if self._hour != self._present_hour():\n                self.write()\n"
        "            self._tree.add(position.hash)\n",
        caught_by=("tests/runner/adapters/test_anchor_file.py",),
    ),
    Bug(
        name="anchor-of-a-cut-log-holds",
        breaks="L1",
        file="tools/audit/anchors.py",
        old='            elif anchor.first in ("", *self._firsts):\n',
        new='            elif anchor.first == "":\n                former += 0\n'
        "            elif anchor.first in self._firsts:\n                former += 0\n"
        "            elif not anchor.size:\n",
        caught_by=(f"{VERIFY}::test_a_log_that_was_cut_is_found_out_by_every_anchor_after_the_cut",),
    ),
    Bug(
        name="anchor-with-another-root-holds",
        breaks="L1",
        file="tools/audit/anchors.py",
        old="        if item.anchor.root == root:\n",
        new="        if item.anchor.root:\n",
        caught_by=(f"{VERIFY}::test_a_log_that_was_written_anew_is_found_out",),
    ),
)
