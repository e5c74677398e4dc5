"""Metrics: what is counted, and what it costs."""

import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hub.infra.metrics import CONTENT_TYPE, Metrics


@pytest.fixture
def metrics() -> Metrics:
    return Metrics.make(version="1.2.3", process=False)


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(metrics.render().decode())
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def test_each_verb_counts_what_it_says(metrics: Metrics) -> None:
    """Under the names that dashboards and alerts are written with."""
    metrics.request("POST", "/v1/jobs", 201, 0.004)
    metrics.event("stripe", "accepted")
    metrics.submit("payments.capture", 3)
    metrics.attempt("payments.capture", "succeeded", 0.2)
    metrics.call("stripe", "POST /v1/refunds", "confirmed", 0.3)
    metrics.breaker_is("stripe", "half_open")
    metrics.queue_is("payments", depth=7, oldest_due_seconds=1.5)
    metrics.running_is("payments", 4)
    metrics.batch("settle", 100)
    metrics.handover_failed("payments", 2)
    metrics.failed("payments.capture", "exhausted")
    metrics.breaker_changed("stripe", "open")
    metrics.relayed("rescued", 3)
    metrics.fenced("settlement", 2)
    metrics.ready_is("payments", 5)
    metrics.store_is("redis", up=False)
    seen = samples(metrics)
    for sample, value in {
        ("hub_info", "1.2.3"): 1,
        ("hub_http_requests_total", "POST", "/v1/jobs", "2xx"): 1,
        ("hub_http_request_seconds_count", "/v1/jobs"): 1,
        ("hub_events_total", "stripe", "accepted"): 1,
        ("hub_jobs_submitted_total", "payments.capture"): 3,
        ("hub_attempts_total", "payments.capture", "succeeded"): 1,
        ("hub_attempt_seconds_sum", "payments.capture"): 0.2,
        ("hub_provider_calls_total", "stripe", "POST /v1/refunds", "confirmed"): 1,
        ("hub_provider_call_seconds_sum", "stripe", "POST /v1/refunds"): 0.3,
        ("hub_breaker_state", "stripe"): 1,
        ("hub_queue_depth", "payments"): 7,
        ("hub_queue_oldest_due_seconds", "payments"): 1.5,
        ("hub_jobs_running", "payments"): 4,
        ("hub_batch_size_sum", "settle"): 100,
        ("hub_handover_failures_total", "payments"): 2,
        ("hub_jobs_failed_total", "payments.capture", "exhausted"): 1,
        ("hub_breaker_changes_total", "stripe", "open"): 1,
        ("hub_relay_jobs_total", "rescued"): 3,
        ("hub_fenced_writes_total", "settlement"): 2,
        ("hub_queue_ready", "payments"): 5,
        ("hub_store_up", "redis"): 0,
    }.items():
        assert seen[sample[0], *sorted(sample[1:])] == value


def test_two_hubs_in_one_process_share_nothing(metrics: Metrics) -> None:
    """There is no global registry."""
    other = Metrics.make(version="1.2.3")
    metrics.event("stripe", "accepted")
    assert b"stripe" not in other.render()
    assert b"process_cpu_seconds_total" in other.render()


def test_a_made_up_method_makes_no_new_series(metrics: Metrics) -> None:
    """HTTP allows any word there."""
    for number in range(50):
        metrics.request(f"X{number}", "unknown", 405, 0.0)
    assert samples(metrics)["hub_http_requests_total", "4xx", "other", "unknown"] == 50


def test_the_times_of_making_are_left_out(metrics: Metrics) -> None:
    """They would be a third of what Prometheus has to keep."""
    metrics.attempt("a.b", "failed", 1)
    assert b"_created" not in metrics.render()
    assert CONTENT_TYPE.startswith("text/plain; version=0.0.4")


def test_counting_costs_next_to_nothing(metrics: Metrics) -> None:
    """It happens several times a job. Generous, as other work runs on this machine; about a microsecond is usual."""
    rounds = 20_000
    began = time.process_time()
    for _ in range(rounds):
        metrics.event("stripe", "accepted")
    assert (time.process_time() - began) / rounds < 10e-6
