"""A part of `make fuzz`: mutated files of every format never hang, crash or end up stored as garbled text."""

from collections import Counter

from tests.fuzz.judge import cases, characters, is_contained, judge
from tests.fuzz.seeds import seeds

N_CASES, SEED = 156, 3


def test_every_mutated_file_is_read_or_refused_with_a_reason():
    files = seeds()

    verdicts = list(judge(cases(files, N_CASES, SEED), characters(files)))

    faults = [(one.case.number, one.case.seed, one.case.way, one.fault) for one in verdicts if not is_contained(one)]
    assert [fault for fault in faults if fault[-1]] == []
    assert [one.case.number for one in verdicts] == list(range(N_CASES))
    outcomes = Counter(one.outcome for one in verdicts)
    assert outcomes["done"] > N_CASES // 6 and outcomes["broken_file"] > N_CASES // 6
    assert {one.case.format for one in verdicts} == {one.format for one in cases(files, 10 * N_CASES, SEED)}


def test_cases_are_the_same_when_the_seed_is():
    files = seeds()

    assert list(cases(files, 30, 7)) == list(cases(files, 30, 7)) != list(cases(files, 30, 8))
