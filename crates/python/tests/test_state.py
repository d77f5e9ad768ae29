"""Sums that are kept, sent, put together and taken apart."""

import pickle

import numpy
import pytest
import streamreg as sr
from conftest import command_line


def parts(frame, count=7):
    rows = frame.sample(frac=1, random_state=3)
    return [rows.iloc[at] for at in numpy.array_split(numpy.arange(len(rows)), count)]


def test_parts_add_up_to_the_byte(frame):
    model = "y ~ x*g + z"
    whole = sr.State(model).update(frame)
    states = [sr.State(model).update(part) for part in parts(frame)]
    total = sr.State(model)
    for state in reversed(states):
        total.merge(state)
    assert bytes(total) == bytes(whole)
    one_by_one = sr.State(model)
    for part in parts(frame, 40):
        one_by_one.update(part)
    assert bytes(one_by_one) == bytes(whole)
    assert dict(total.fit().params) == dict(sr.ols(model, frame, precision="exact").params)
    total.subtract(states[2])
    rest = sr.State(model)
    for at, state in enumerate(states):
        if at != 2:
            rest.merge(state)
    assert bytes(total) == bytes(rest)


def test_states_travel(frame, tmp_path):
    state = sr.State("y ~ x + z").update(frame)
    assert bytes(pickle.loads(pickle.dumps(state))) == bytes(state)
    assert bytes(sr.State.from_bytes(bytes(state))) == bytes(state)
    path = tmp_path / "s.sreg"
    path.write_bytes(bytes(state))
    line = command_line("solve", path, "--format", "tidy")
    assert line.splitlines()[2].startswith(f"x,{state.fit().params['x']!r},".replace("np.float64(", "").replace(")", ""))
    again = sr.State.from_bytes(bytes(state)).update(frame.iloc[:50])
    assert again.nobs == state.nobs + int(frame.iloc[:50].x.notna().sum())
    with pytest.raises(sr.StreamregError, match="damaged|not a state|Parquet"):
        sr.State.from_bytes(bytes(state)[:-40])


def test_other_models_from_the_sums(frame):
    state = sr.State("y ~ x + z").update(frame)
    rows = frame.dropna()
    assert dict(state.fit("z ~ x").params) == dict(sr.ols("z ~ x", rows, precision="exact").params)
    assert dict(state.fit(ridge=1.0).params) == pytest.approx(dict(sr.ridge("y ~ x + z", rows, 1.0).params), rel=1e-12)
    with pytest.raises(sr.StreamregError, match="terms differ"):
        state.merge(sr.State("y ~ x").update(frame))
    with pytest.raises(ValueError, match="no rows yet"):
        sr.State("y ~ x").fit()


def test_groups_of_a_state(frame):
    rows = frame.dropna()
    state = sr.State("y ~ x", by="g")
    for part in parts(rows):
        state.update(part)
    assert state.fit().column("estimate") == sr.groups("y ~ x", rows, by="g").column("estimate")
    with pytest.warns(sr.StreamregWarning, match="21 of 2,000 rows dropped"):
        sr.State("y ~ x", by="g").update(frame).fit()
    with pytest.raises(ValueError, match="without options"):
        state.fit(vcov="hc1")
