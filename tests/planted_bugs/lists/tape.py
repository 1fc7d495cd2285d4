"""The tape and the replay: each cycle can be decided again, and a difference is told (L12)."""

from tests.planted_bugs.bug import Bug

TAPE = "tests/scenarios/test_tape.py"
SAME = "tests/tools/test_replay.py::test_every_cycle_of_a_rehearsal_comes_out_the_same"
FINDS = "tests/tools/test_replay_of_changed_records.py"

BUGS = (
    Bug(
        name="answer-not-on-the-tape",
        breaks="L12",
        file="runner/tape/recorded.py",
        old='        return self._tape.told("b", "", self._broker.balances, text.balances_text)\n',
        new="        return self._broker.balances()\n",
        caught_by=(SAME,),
    ),
    Bug(
        name="fact-that-changed-not-on-the-tape",
        breaks="L12",
        file="runner/tape/recorder.py",
        old="        if value == self._last:\n",
        new="        if value == self._last or self._last is not _NEVER:\n",
        caught_by=("tests/tools/test_replay.py::test_a_live_account_with_faults_is_decided_again[kill files]",),
    ),
    Bug(
        name="digest-of-the-wrong-record-in-the-line",
        breaks="L12",
        file="runner/tape/recorder.py",
        old="        self._write(Frame.CYCLE)\n        digest = self._digest.hexdigest()[:DIGEST_DIGITS]\n",
        new="        digest = self._digest.hexdigest()[:DIGEST_DIGITS]\n        self._write(Frame.CYCLE)\n",
        caught_by=(TAPE,),
    ),
    Bug(
        name="record-of-a-cycle-written-after-its-line",
        breaks="L12",
        file="runner/tape/recorder.py",
        old="        self._digest.update(record)\n        self._sink.write(kind, self._slot, record)\n",
        new="        self._digest.update(record)\n"
        "        later, self._later = getattr(self, '_later', None), (kind, self._slot, record)\n"
        "        if later is not None:\n"
        "            self._sink.write(*later)\n",
        caught_by=(TAPE,),
    ),
    Bug(
        name="order-sent-before-its-decision-is-on-the-tape",
        breaks="L12",
        file="runner/tape/recorded.py",
        old="        self._tape.flush()\n        order_id: OrderId",
        new="        order_id: OrderId",
        caught_by=(TAPE,),
    ),
    Bug(
        name="tape-kept-without-end",
        breaks="L16",
        file="runner/adapters/tape_files.py",
        old="            if not (too_old or too_much):\n",
        new="            if too_old or too_much:\n",
        caught_by=(TAPE,),
    ),
    Bug(
        name="damaged-record-of-the-tape-believed",
        breaks="L12",
        file="runner/adapters/tape_files.py",
        old="    if head[_HEAD.size :] == _CHECKSUM.pack(zlib.crc32(packed, zlib.crc32(head[: _HEAD.size]))):\n",
        new="    if head:\n",
        caught_by=(FINDS,),
    ),
    Bug(
        name="replay-ignores-a-line-that-comes-out-otherwise",
        breaks="L12",
        file="tools/replaying/compared.py",
        old="        _, place = seal(body, _before(record, before))\n        if place.hash != record.place.hash:\n",
        new="        _, place = seal(body, _before(record, before))\n        if place.seq != record.place.seq:\n",
        caught_by=(FINDS,),
    ),
    Bug(
        name="replay-ignores-a-journal-that-comes-out-otherwise",
        breaks="L12",
        file="tools/replaying/compared.py",
        old="        _, place = seal(body, self._journal.chain.before)\n        if place.hash != record.place.hash:\n",
        new="        place = record.place\n        if place.hash != record.place.hash:\n",
        caught_by=(FINDS,),
    ),
    Bug(
        name="replay-content-with-lines-that-the-tape-lost",
        breaks="L17",
        file="tools/replaying/verdict.py",
        old="        return not (self.differing or self.lost or self.missing or self.problems)\n",
        new="        return not (self.differing or self.missing or self.problems)\n",
        caught_by=(FINDS,),
    ),
    Bug(
        name="replay-content-with-lines-that-are-gone",
        breaks="L17",
        file="tools/replaying/verdict.py",
        old="        return not (self.differing or self.lost or self.missing or self.problems)\n",
        new="        return not (self.differing or self.lost or self.problems)\n",
        caught_by=("tests/tools/test_replay_finds.py",),
    ),
)
