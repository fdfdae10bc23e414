"""W3C Trace Context is read by its rules, and sampling decides as OpenTelemetry's own samplers do."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased
from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from slipway_router.domain.tracing import TraceParent, TraceStarter, read_parent

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
VALID = TraceParent(int(TRACE, 16), int(SPAN, 16), True)


@pytest.mark.parametrize(
    ("header", "parent"),
    [
        (f"00-{TRACE}-{SPAN}-01", VALID),
        (f"00-{TRACE}-{SPAN}-00", TraceParent(VALID.trace_id, VALID.span_id, False)),
        (f"00-{TRACE}-{SPAN}-03", VALID),
        (f"cc-{TRACE}-{SPAN}-01-later", VALID),
        (f"00-{TRACE}-{SPAN}-01-later", None),
        (f"cc-{TRACE}-{SPAN}-01later", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN}", None),
        (f"00-{TRACE}-{SPAN}-1", None),
        (f" 00-{TRACE}-{SPAN}-01", None),
        ("", None),
    ],
)
def test_traceparent(header: str, parent: TraceParent | None) -> None:
    assert read_parent(header.encode()) == parent


@pytest.mark.parametrize(
    ("state", "kept"),
    [
        ("vendor=1", True),
        ("tenant@vendor=a b:c, other=x", True),
        (",".join(f"k{number}=v" for number in range(32)), True),
        (",".join(f"k{number}=v" for number in range(33)), False),
        ("vendor=" + "x" * 256, True),
        ("vendor=" + "x" * 257, False),
        ("Vendor=1", False),
        ("vendor", False),
        ("vendor=a=b", False),
        ("vendor=\xe9", False),
        ("", False),
    ],
)
def test_tracestate_that_is_not_valid_is_left_out(state: str, kept: bool) -> None:
    raw = state.encode("latin-1")
    parent = read_parent(f"00-{TRACE}-{SPAN}-01".encode(), raw)
    assert parent is not None
    assert parent.state == (raw if kept else b"")


@given(st.text("0123456789abcdef-x", max_size=60) | st.just(f"00-{TRACE}-{SPAN}-01"))
def test_traceparent_is_read_as_opentelemetry_reads_it(header: str) -> None:
    theirs = get_current_span(TraceContextTextMapPropagator().extract({"traceparent": header})).get_span_context()
    ours = read_parent(header.encode())
    assert (ours is not None) == theirs.is_valid


@pytest.mark.parametrize("ratio", [0.0, 0.01, 0.5, 1.0])
def test_traces_that_begin_here_are_kept_as_opentelemetry_keeps_them(ratio: float) -> None:
    start, sampler = TraceStarter(ratio, Random(1)), TraceIdRatioBased(ratio)
    traces = [start(None) for _ in range(2000)]
    for trace in traces:
        assert trace.sampled == (sampler.should_sample(None, trace.trace_id, "").decision is Decision.RECORD_AND_SAMPLE)
    assert len({trace.server_id for trace in traces} | {trace.client_id for trace in traces}) == 4000
    assert abs(sum(trace.sampled for trace in traces) / 2000 - ratio) < 0.05


def test_a_caller_decides_for_its_own_trace() -> None:
    never, always = TraceStarter(0.0, Random(1)), TraceStarter(1.0, Random(1))
    assert never(VALID).sampled
    assert not always(TraceParent(VALID.trace_id, VALID.span_id, False)).sampled
    trace = never(VALID)
    assert trace.traceparent == f"00-{TRACE}-{trace.client_id:016x}-01".encode()
