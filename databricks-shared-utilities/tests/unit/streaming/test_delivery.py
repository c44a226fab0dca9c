"""Telling a webhook, which is a server on this machine here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from little_hook import TOKEN, Hook, listening

from databricks_utils.errors import InvalidInput, RunFailed
from databricks_utils.streaming.delivery import ATTEMPTS, post
from databricks_utils.streaming.failure import described, is_over_soon

ALERTS = {"alerts": [{"store_id": 1}], "total": 1}


@pytest.fixture
def hook() -> Iterator[Hook]:
    with listening() as found:
        yield found


def test_alerts_are_posted_as_json(hook: Hook) -> None:
    post(hook.address, ALERTS)

    assert hook.taken == [ALERTS]


@pytest.mark.parametrize("answer", [408, 425, 429, 500, 503])
def test_a_hook_that_is_away_for_a_moment_is_told_when_it_is_back(hook: Hook, answer: int) -> None:
    hook.answers = [answer, answer]
    pauses: list[float] = []

    post(hook.address, ALERTS, sleep=pauses.append)

    assert (hook.taken, len(hook.asked), pauses) == ([ALERTS], 3, [1.0, 2.0])


def test_a_hook_that_stays_away_is_an_error_after_which_the_stream_starts_again(
    hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    hook.answers = [503] * ATTEMPTS
    pauses: list[float] = []

    with pytest.raises(RunFailed) as raised:
        post(hook.address, ALERTS, sleep=pauses.append)

    assert (hook.taken, len(hook.asked), len(pauses)) == ([], ATTEMPTS, ATTEMPTS - 1)
    assert is_over_soon(raised.value)
    assert "the webhook at 127.0.0.1 does not answer (HTTP 503)" in described(raised.value)
    assert TOKEN not in str(raised.value) + caplog.text


def test_an_address_at_which_nobody_listens_is_an_error_too(caplog: pytest.LogCaptureFixture) -> None:
    with listening() as hook:
        gone = hook.address

    with pytest.raises(RunFailed) as raised:
        post(gone, ALERTS, sleep=lambda _: None)

    assert is_over_soon(raised.value)
    assert "(ConnectionRefusedError)" in described(raised.value)
    assert TOKEN not in str(raised.value) + caplog.text


@pytest.mark.parametrize("answer", [400, 403, 404, 410])
def test_a_hook_that_refuses_is_asked_once_and_is_an_error_that_stays(
    hook: Hook, caplog: pytest.LogCaptureFixture, answer: int
) -> None:
    hook.answers = [answer]

    with pytest.raises(RunFailed) as raised:
        post(hook.address, ALERTS)

    assert (hook.taken, len(hook.asked)) == ([], 1)
    assert not is_over_soon(raised.value)
    assert f"the webhook at 127.0.0.1 refused the alerts (HTTP {answer})" in described(raised.value)
    assert TOKEN not in str(raised.value) + caplog.text


@pytest.mark.parametrize("answer", [301, 302, 303])
def test_a_hook_that_has_moved_is_an_error_and_its_new_place_is_not_asked_without_the_alerts(
    hook: Hook, answer: int
) -> None:
    hook.answers = [answer]

    with pytest.raises(RunFailed, match=rf"Refused by the webhook at 127\.0\.0\.1 \(HTTP {answer}\)"):
        post(hook.address, ALERTS)

    assert hook.asked == ["POST"]


@pytest.mark.parametrize("address", ["file:///etc/passwd", "passwd", "https:///passwd", "http://[passwd", ""])
def test_an_address_of_another_kind_is_refused_without_being_repeated(address: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        post(address, {})

    assert "passwd" not in str(raised.value)


def test_an_address_that_cannot_be_asked_is_not_repeated_by_its_error() -> None:
    with pytest.raises(RunFailed, match=r"Refused by the webhook at example\.org \(InvalidURL\)") as raised:
        post(f"https://example.org/{TOKEN} and more", {})

    assert TOKEN not in str(raised.value)
    assert raised.value.__suppress_context__
