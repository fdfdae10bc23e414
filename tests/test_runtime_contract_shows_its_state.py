"""The control port of every engine: health, state and metrics, with the same names everywhere."""

from tests.engine_cases import Started, sample

STATE = {
    *("model", "engine", "device", "deviceFallback", "phase", "phaseSeconds"),
    *("bytesFetched", "bytesTotal", "inFlight", "error"),
}


def test_it_lives_and_is_ready(engine: Started) -> None:
    for path in ("/livez", "/readyz"):
        answer = engine.process.control(path)
        assert answer is not None
        assert answer.status_code == 200


def test_the_state_has_the_same_fields(engine: Started) -> None:
    state = engine.process.state()
    assert state is not None
    assert set(state) == STATE
    assert state["model"] == "m"
    assert state["engine"] == engine.process.env.engine
    assert (state["device"], state["deviceFallback"]) == ("cpu", None)
    assert (state["phase"], state["inFlight"], state["error"]) == ("ready", 0, None)


def test_the_runtimes_metrics_have_the_same_names(engine: Started) -> None:
    text = engine.metrics()
    for name in ("in_flight", "phase", "phase_seconds", "info"):
        assert f"\n# TYPE slipway_runtime_{name} gauge\n" in text
    assert "\n# TYPE slipway_runtime_fetched_bytes_total counter\n" in text
    assert 'slipway_runtime_phase{phase="ready"} 1.0' in text


def test_each_metric_is_described_once(engine: Started) -> None:
    types = [line for line in engine.metrics().splitlines() if line.startswith("# TYPE ")]
    assert sorted(types) == sorted(set(types))


def test_the_engines_metrics_follow_its_work(engine: Started) -> None:
    before = sample(engine.metrics(), engine.case.worked)
    assert engine.ask(engine.case.good).status_code == 200
    assert sample(engine.metrics(), engine.case.worked) > before
