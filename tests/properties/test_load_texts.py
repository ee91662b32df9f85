"""The texts of loads: service, agent and client write and read the same."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msearch_client._loads import Load as ClientLoad
from profiler_agent.loadgen import load_text as agent_text
from profiler_agent.work import Batching as AgentBatching
from profiler_agent.work import Load as AgentLoad
from profiler_agent.work import Network as AgentNetwork
from profiler_agent.work import Scenario as AgentScenario
from search_service.domain.errors import InvalidArgument
from search_service.domain.loads import ARRIVALS, check_load, format_load, parse_load
from search_service.domain.profiling import Batching, Load, Network, Scenario

# Numbers that %g keeps.
numbers = st.integers(1, 999_999).map(lambda n: n / 1000)
names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: name not in ("batch", "wait_ms", "pipeline", "limit_ms", "rtt_ms", "up_mbit", "down_mbit")
)


networks = st.none() | st.builds(
    Network,
    round_trip_ms=numbers,
    up_mbit_per_s=st.just(0.0) | numbers,
    down_mbit_per_s=st.just(0.0) | numbers,
)


@st.composite
def loads(draw: st.DrawFn) -> Load:
    scenario = draw(st.sampled_from(Scenario))
    server = scenario is Scenario.SERVER
    batch = draw(st.none() | st.integers(2, 64))
    limited = scenario is Scenario.FIND_PEAK or draw(st.booleans())
    return Load(
        scenario=scenario,
        rate_per_s=draw(numbers) if server else 0.0,
        streams=draw(st.integers(1, 64)) if scenario in (Scenario.MULTI_STREAM, Scenario.CONCURRENCY) else 1,
        arrival=draw(st.sampled_from([name for name in ARRIVALS if name != "trace"])) if server else "poisson",
        parameters=draw(st.dictionaries(names, numbers, max_size=3)) if server else {},
        batching=None if batch is None else Batching(max_batch=batch, max_wait_ns=draw(st.integers(0, 9_999)) * 1000),
        p99_limit_ms=draw(numbers) if limited else 0.0,
        network=None if scenario is Scenario.OFFLINE else draw(networks),
        pipeline=draw(st.booleans()),
    )


@given(loads())
def test_a_text_reads_back_to_its_load(load: Load) -> None:
    assert check_load(load, "load") == load
    assert parse_load(format_load(load)) == load


@given(loads())
def test_service_agent_and_client_write_and_read_the_same(load: Load) -> None:
    text = format_load(load)
    values: dict[str, Any] = asdict(load)
    batching = None if load.batching is None else AgentBatching(**values["batching"])
    network = None if load.network is None else AgentNetwork(**values["network"])
    agent_load = AgentLoad(
        **{**values, "scenario": AgentScenario(load.scenario.value), "batching": batching, "network": network}
    )
    assert agent_text.format_load(agent_load) == text
    assert agent_text.parse_load(text) == agent_load
    client_load = ClientLoad.parse(text)
    assert str(client_load) == text
    assert (client_load.network is None) == (load.network is None)
    assert client_load.network is None or client_load.network.to_dict() == values["network"]
    assert client_load.pipeline is load.pipeline
    assert (client_load.scenario.value, client_load.rate_per_s, client_load.streams, client_load.p99_limit_ms) == (
        load.scenario.value,
        load.rate_per_s,
        load.streams,
        load.p99_limit_ms,
    )


@given(loads(), st.dictionaries(names, numbers, min_size=2, max_size=4))
def test_the_order_of_parameters_does_not_matter(load: Load, parameters: dict[str, float]) -> None:
    one = replace(load, scenario=Scenario.SERVER, rate_per_s=5.0, streams=1, parameters=parameters)
    other = replace(one, parameters=dict(reversed(parameters.items())))
    assert format_load(one) == format_load(other)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("single_stream", "single_stream"),
        ("multi_stream:8", "multi_stream:8"),
        ("server:100", "server:100"),
        ("server:100.0,poisson", "server:100"),
        ("server:100,gamma,cv=2.0", "server:100,gamma,cv=2"),
        ("server:5,batch=1", "server:5"),
        ("concurrency:4,limit_ms=20,wait_ms=2,batch=8", "concurrency:4,batch=8,wait_ms=2,limit_ms=20"),
        ("find_peak:20", "find_peak:20"),
        (
            "server:5,limit_ms=9,down_mbit=30,rtt_ms=40,batch=2",
            "server:5,batch=2,wait_ms=0,rtt_ms=40,down_mbit=30,limit_ms=9",
        ),
        ("server:5,rtt_ms=0", "server:5"),
        ("single_stream,rtt_ms=5", "single_stream,rtt_ms=5"),
        ("concurrency:4,rtt_ms=5,pipeline=1,batch=2", "concurrency:4,batch=2,wait_ms=0,pipeline=1,rtt_ms=5"),
        ("offline,pipeline=1", "offline,pipeline=1"),
        ("offline,pipeline=0", "offline"),
    ],
)
def test_texts_have_one_canonical_form(text: str, canonical: str) -> None:
    assert format_load(parse_load(text)) == canonical


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no scenario"),
        ("stream", "no scenario"),
        ("server", "a number"),
        ("offline:3", "no number"),
        ("server:0", "above 0"),
        ("server:-5", "above 0"),
        ("server:1e7", "impossible"),
        ("server:nan", "finite"),
        ("server:ten", "not a number"),
        ("server:5,gamme", "no arrival pattern; did you mean gamma"),
        ("server:5,trace", "needs arrival times"),
        ("server:5,gamma,cv", "NAME=NUMBER"),
        ("server:5,gamma,cv=1,cv=2", "each name once"),
        ("offline,cv=2", "belong to the scenario server"),
        ("concurrency:0", "from 1 to"),
        ("concurrency:2.5", "whole number"),
        ("concurrency:99999", "from 1 to 10000"),
        ("server:5,batch=2.5", "whole number"),
        ("server:5,batch=99999", "from 0 to"),
        ("server:5,wait_ms=2", "batch"),
        ("server:5,batch=4,wait_ms=-1", "from 0 to 60 s"),
        ("server:5,limit_ms=-1", "from 0 to"),
        ("find_peak:0", "above 0"),
        ("find_peak:20,limit_ms=5", "already"),
        ("offline,rtt_ms=5", "all of its samples lie at the model"),
        ("offline,pipeline=2", "pipeline must be 1"),
        ("server:5,rtt_ms=-1", "from 0 to"),
        ("server:5,up_mbit=1e9", "from 0 to"),
    ],
)
def test_a_load_that_cannot_be_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InvalidArgument, match=problem) as caught:
        parse_load(text, "spec.loads[0]")
    assert caught.value.fields[0][0].startswith("spec.loads[0]")


@pytest.mark.parametrize(
    "fields",
    [
        {"trace_s": (1.0, 0.5)},
        {"trace_s": (-1.0,)},
        {"trace_s": (float("nan"),)},
        {"trace_s": ()},
        {"arrival": "gamma", "trace_s": (1.0,)},
        {"rate_per_s": float("inf"), "trace_s": (1.0,)},
        {"parameters": {"no name": 1.0}, "trace_s": (1.0,)},
        {"parameters": {"batch": 1.0}, "trace_s": (1.0,)},
        {"parameters": {"cv": float("inf")}, "trace_s": (1.0,)},
    ],
)
def test_arrivals_that_cannot_be_are_refused(fields: dict[str, Any]) -> None:
    sound = Load(scenario=Scenario.SERVER, rate_per_s=10.0, arrival="trace", trace_s=(0.0, 0.0, 0.5))
    assert check_load(sound, "load") == sound
    with pytest.raises(InvalidArgument, match="load"):
        check_load(replace(sound, **fields), "load")
