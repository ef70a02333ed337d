from __future__ import annotations

import pytest

from gateway.limits import Rate, RateLimits, rate_limit_filter


def test_rate_is_read_as_burst_and_refill() -> None:
    assert Rate.parse("200/100") == Rate(burst=200, per_second=100)


@pytest.mark.parametrize("text", ["", "200", "200/", "/100", "a/b", "-1/5", "1.5/2", "0/5", "5/0", "1/2/3"])
def test_rate_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"burst|at least 1"):
        Rate.parse(text)


def test_environment_overrides_only_what_it_names() -> None:
    limits = RateLimits.from_env({"CHALKANDDUSTER_GATEWAY_RATE_TRIGGER": "7/3", "CHALKANDDUSTER_GATEWAY_RATE_COSTLY": ""})
    assert limits == RateLimits(trigger=Rate(7, 3))


def test_bad_environment_names_its_variable() -> None:
    with pytest.raises(ValueError, match="CHALKANDDUSTER_GATEWAY_RATE_DEFAULT"):
        RateLimits.from_env({"CHALKANDDUSTER_GATEWAY_RATE_DEFAULT": "many"})


def test_triggers_and_costly_calls_refill_slower_than_others() -> None:
    limits = RateLimits()
    assert limits.costly.per_second < limits.trigger.per_second < limits.default.per_second


def test_subject_and_key_have_the_callers_rate_and_everybody_else_shares_one() -> None:
    config = rate_limit_filter("default", Rate(5, 2), Rate(50, 20))
    buckets = [descriptor["token_bucket"]["max_tokens"] for descriptor in config["descriptors"]]
    assert buckets == [5, 5, 20]
    assert config["token_bucket"]["max_tokens"] == 50
