"""Robust and clustered standard errors from parts of the rows."""

import pickle

import numpy
import pandas
import pytest
import streamreg as sr

KINDS = [
    {"vcov": "hc0"},
    {"vcov": "hc1"},
    {"vcov": "hc2"},
    {"vcov": "hc3"},
    {"cluster": "firm"},
    {"cluster": "firm", "vcov": "cr3"},
    {"cluster": ["firm", "year"]},
    {"vcov": "hc1", "test": ["x1 = z, z = 0", "g[T.b] = g[T.c]"]},
    {"cluster": "firm", "ssc": "none"},
]


@pytest.fixture(scope="module")
def panel() -> pandas.DataFrame:
    rng = numpy.random.default_rng(5)
    n = 900
    firm = rng.integers(0, 40, n)
    frame = pandas.DataFrame({
        "x1": rng.normal(size=n) + 100.0,
        "z": rng.exponential(size=n),
        "firm": [f"f{i:02}" for i in firm],
        "year": rng.integers(2000, 2030, n),
        # In each firm the same: its columns are nested.
        "g": numpy.array(["a", "b", "c"])[firm % 3],
        "w": rng.integers(1, 4, n),
    })
    frame["y"] = 1.0 + 2.0 * frame.x1 - frame.z + rng.normal(size=40)[firm] + rng.normal(size=n) * frame.z
    frame.loc[::50, "x1"] = numpy.nan
    frame.loc[7::90, "firm"] = None
    return frame


def parts(frame, count=7):
    rows = frame.sample(frac=1, random_state=3)
    return [rows.iloc[at] for at in numpy.array_split(numpy.arange(len(rows)), count)]


def same(fit, direct, rel=1e-9) -> None:
    assert dict(fit.params) == dict(direct.params)
    assert dict(fit.bse) == pytest.approx(dict(direct.bse), rel=rel)
    assert dict(fit.pvalues) == pytest.approx(dict(direct.pvalues), rel=1e-8)
    assert fit.report["vcov"] == direct.report["vcov"]
    for own, other in zip(fit.report["tests"], direct.report["tests"], strict=True):
        assert [own["statistic"], own["p_value"]] == pytest.approx([other["statistic"], other["p_value"]], rel=1e-9)
    assert fit.nobs == direct.nobs


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_parts_have_the_errors_of_all_rows(panel, options):
    model, of_sums = "y ~ x1*g + z", {key: value for key, value in options.items() if key == "cluster"}
    state = sr.State(model, **of_sums)
    for part in parts(panel):
        state.update(part)
    none = state.scores(**options)
    scored = [pickle.loads(pickle.dumps(none)).update(part) for part in parts(panel)]
    again = sr.State(model, **of_sums).update(iter(parts(panel)))
    assert bytes(again) == bytes(state)
    assert again.scores(**options).update(iter(parts(panel))).nobs == state.nobs
    total = state.scores(**options)
    for part in reversed(scored):
        total.merge(sr.Scores.from_bytes(bytes(part)))
    assert total.nobs == state.nobs == state.fit().nobs
    direct = sr.ols(model, panel, precision="exact", **options)
    same(state.fit(scores=total, **options), direct)
    same(state.fit(data=panel, **options), direct)


def test_weights_filters_and_nearly_dependent_columns(panel):
    for options in [
        {"weights": "w", "weight_type": "analytic"},
        {"weights": "w", "weight_type": "frequency"},
        {"weights": "w", "weight_type": "probability"},
        {"where": "year >= 2010", "with_": {"far": "x1 + z * z / 1000"}},
    ]:
        model = "y ~ x1 + z + far" if "with_" in options else "y ~ x1 + z"
        state = sr.State(model, **options)
        for part in parts(panel):
            state.update(part)
        of_fit = {} if options.get("weight_type") == "probability" else {"vcov": "hc1"}
        scores = state.scores(**of_fit)
        for part in parts(panel, 3):
            scores.update(part)
        same(state.fit(scores=scores, **of_fit), sr.ols(model, panel, precision="exact", **options, **of_fit), rel=1e-9)


def test_several_targets_and_other_models(panel):
    state = sr.State(target=["y", "z"], features=["x1", "w"]).update(panel)
    direct = sr.ols(None, panel, target=["y", "z"], features=["x1", "w"], precision="exact", vcov="hc3")
    for own, other in zip(state.fit(vcov="hc3", data=panel), direct, strict=True):
        same(own, other)
    rows = panel.dropna(subset=["x1", "y", "z", "w"])
    of_fewer = state.fit("y ~ x1", vcov="hc1", data=panel)
    assert dict(of_fewer.bse) == pytest.approx(dict(sr.ols("y ~ x1", rows, precision="exact", vcov="hc1").bse), rel=1e-11)


def test_clusters_of_a_state_only_leave_rows_out(panel):
    state = sr.State("y ~ x1", cluster="firm").update(panel)
    plain = sr.ols("y ~ x1", panel.dropna(subset=["firm"]), precision="exact")
    assert dict(state.fit().bse) == dict(plain.bse)
    with pytest.raises(sr.StreamregError, match="year"):
        state.scores(cluster="year")
    with pytest.raises(sr.StreamregError, match="firm"):
        sr.State("y ~ x1").update(panel).scores(cluster="firm")


def test_what_does_not_belong_together_is_refused(panel):
    state = sr.State("y ~ x1 + z").update(panel)
    assert state.scores() is None and state.scores(ridge=1.0) is None
    scores = state.scores(vcov="hc1")
    with pytest.raises(sr.StreamregError, match="0 of 0"):
        state.fit(vcov="hc1", scores=scores)
    scores.update(panel).update(panel[:10])
    with pytest.raises(sr.StreamregError, match=r'in the scores 891 of 910 rows .* 19 dropped for "x1" null'):
        state.fit(vcov="hc1", scores=scores)
    with pytest.raises(sr.StreamregError, match="different fits"):
        state.scores(vcov="hc1").merge(state.scores(vcov="hc3"))
    with pytest.raises(sr.StreamregError, match="another fit"):
        state.fit(vcov="hc3", scores=state.scores(vcov="hc1").update(panel))
    with pytest.raises(sr.StreamregError, match="terms differ"):
        state.fit("y ~ x1", vcov="hc1", scores=state.scores(vcov="hc1").update(panel))
    with pytest.raises(sr.StreamregError, match="not the rows of the sums"):
        state.fit(vcov="hc1", data=panel.assign(z=panel.z[::-1].to_numpy()))
    with pytest.raises(sr.StreamregError, match="18 rows of these are not in the sums of the state"):
        state.fit("y ~ z", vcov="hc1", data=panel)
    with pytest.raises(TypeError, match="from_bytes"):
        state.scores(vcov="hc1").merge(bytes(scores))
    with pytest.raises(TypeError, match="State.scores"):
        state.fit(vcov="hc1", scores=bytes(scores))
    with pytest.raises(TypeError, match="streamreg.State"):
        sr.State("y ~ x1", like=bytes(state))
    with pytest.raises(ValueError, match="at least one thread"):
        scores.update(panel, threads=-1)
    with pytest.raises(TypeError, match="how files are read"):
        scores.update(panel, where="z > 0")
    with pytest.raises(ValueError, match="cluster has no name"):
        sr.State("y ~ x1", cluster=[])
    with pytest.raises(sr.StreamregError, match="no effect"):
        state.fit(scores=state.scores(vcov="hc1").update(panel))
    with pytest.raises(ValueError, match="no effect"):
        state.fit(data=panel)
    with pytest.raises(sr.StreamregError, match="order"):
        state.scores(vcov="hac:2")
    with pytest.raises(sr.StreamregError, match="standard errors"):
        state.scores(vcov="hc1", ridge=1.0)
    with pytest.raises(TypeError, match="State"):
        sr.Scores()
    with pytest.raises(sr.StreamregError, match="\"z\""):
        state.scores(vcov="hc1").update(panel.drop(columns="z"))


def test_files_are_read_as_those_of_the_state(panel, tmp_path):
    path = tmp_path / "panel.csv"
    rows = panel.assign(firm=panel.firm.str.replace("f", "0"))
    rows.to_csv(path, na_rep="?", sep=";")
    reading = {"null": "?", "schema": {"firm": "text"}}
    state = sr.State("y ~ x1", cluster="firm", **reading).update(path)
    direct = sr.ols("y ~ x1", path, precision="exact", cluster="firm", **reading)
    same(state.fit(cluster="firm", data=path), direct)
    same(state.fit(cluster="firm", scores=state.scores(cluster="firm").update(path)), direct)
    sent = sr.State.from_bytes(bytes(state))
    same(sent.fit(cluster="firm", data=path, **reading), direct)
    with pytest.raises(sr.StreamregError, match="a number column here, but the state is of a text column"):
        sent.fit(cluster="firm", data=path, null="?")


def test_times_of_other_zones_are_other_levels(panel):
    times = pandas.date_range("2024-01-01", periods=20, tz="UTC")[panel.year % 20]
    here, there = panel.assign(t=times), panel.assign(t=times.tz_convert("Europe/Berlin"))
    state = sr.State("y ~ z", cluster="t").update(here)
    for other in (there, panel.assign(t=times.tz_localize(None))):
        with pytest.raises(sr.StreamregError, match='"t": times .* but the state is of times of the zone UTC'):
            state.scores(cluster="t").update(other)
        with pytest.raises(sr.StreamregError, match="zone"):
            sr.State("y ~ z", cluster="t").update(here).update(other)
        with pytest.raises(sr.StreamregError, match="zone"):
            sr.State("y ~ z", cluster="t").update(here).merge(sr.State("y ~ z", cluster="t").update(other))
    # As numbers they are the same instants.
    number = sr.State("z ~ t").update(here)
    assert number.update(there).nobs == 2 * len(panel)


def test_damaged_scores_are_refused(panel):
    whole = bytes(sr.State("y ~ x1", cluster="firm").update(panel).scores(cluster="firm").update(panel))
    assert sr.Scores.from_bytes(whole).nobs == 872
    for at in range(0, len(whole), 97):
        damaged = bytearray(whole)
        damaged[at] ^= 0x10
        with pytest.raises(sr.StreamregError, match="damaged|no scores"):
            sr.Scores.from_bytes(bytes(damaged))
    for end in [0, 5, 19, len(whole) // 2, len(whole) - 1]:
        with pytest.raises(sr.StreamregError, match="damaged|no scores"):
            sr.Scores.from_bytes(whole[:end])
