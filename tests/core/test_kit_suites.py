"""The contract suites tell the author of a broken plugin in a sentence what is wrong with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
FILE = Path(__file__).with_name("broken_plugins.py")

SAID = {
    "TestLosesOne::test_n_envelopes_in_n_receipts_out[2]": "every envelope gets one receipt, with its own id",
    "TestSendsTwice::test_one_request_for_each_attempt": "12 envelopes are 12 requests",
    "TestOneId::test_send_gives_the_receipt_of_its_envelope": "a receipt carries the id of its envelope",
    "TestSure::test_a_drop_after_the_write_is_uncertain": "nobody knows, and the receipt says Deferred(",
    "TestCostly::test_a_drop_before_the_write_is_not": "must not cost the recipient an attempt",
    "TestTalks::test_no_secret_shows": "the secret shows in a repr, an error or a receipt; use Secret",
    "TestNoRoom::test_the_traits_make_sense": "max_concurrency is 1 or more",
    "TestAddsFeatures::test_the_traits_make_sense": "limits() only ever takes features away",
    "TestBelievesAll::test_recordings_are_believed_and_understood": "one.json: parse() read it another way",
    "TestBelievesAll::test_a_replay_parses_to_the_same_feedback": "no failure",
    "TestBelievesAll::test_a_stale_replay_is_forbidden": "raises Forbidden for a request that comes 1 day",
    "TestBelievesAll::test_a_tampered_body_is_forbidden": "one.json: verify() believed a changed body",
    "TestBelievesAll::test_no_headers_and_no_body_are_forbidden": "raises Forbidden for an empty request",
    "TestBelievesAll::test_junk_is_forbidden_and_never_breaks": "verify() believed junk",
    "TestGenerous::test_never_more_than_the_rate_in_any_window": "gives at most",
    "TestGenerous::test_retry_after_is_when_the_next_is_granted": "nobody asked for has its whole burst",
    "TestGenerous::test_keys_do_not_share": "assert 100 == 10",
    "TestDeaf::test_only_the_topics_asked_for_are_handled": "listen() handles the topics that it was given",
    "TestDeaf::test_notify_without_a_listener_returns_an_id": "notify() returns an id",
    "TestDeaf::test_a_bad_topic_is_refused[a b]": "DID NOT RAISE ValueError",
}  # fmt: skip
"""Test -> what its author reads. The suites' own asserts are shown with both sides, as pytest does."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Run every broken plugin once, where a stranger would: outside our folder, without our settings."""
    folder = tmp_path_factory.mktemp("broken")
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder),
         "--junitxml=told.xml", *(f"{FILE}::{test}" for test in SAID)],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=120,
        check=False,
    )  # fmt: skip
    cases = ElementTree.parse(folder / "told.xml").iter("testcase")
    return {
        f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}": "\n".join(
            f"{failure.get('message')}\n{failure.text}" for failure in case.iter("failure")
        )
        for case in cases
    }


@pytest.mark.parametrize("test", SAID)
def test_the_author_is_told(test: str, told: dict[str, str]) -> None:
    if SAID[test] == "no failure":
        assert told[test] == ""
    else:
        assert SAID[test] in told[test]
