"""On a cluster of Spark: a master and two workers on this machine, and processes that are killed.

`STREAMREG_FLIGHTS=50` takes the flights 50 times.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import streamreg as sr
from streamreg import spark as on_spark

pyspark = pytest.importorskip("pyspark")

GOLDEN = Path(__file__).parents[4] / "tests" / "golden"
MODEL = "arr_delay ~ dep_delay*origin + C(month) + distance"
TIMES = int(os.environ.get("STREAMREG_FLIGHTS", "5"))
PARTITIONS = 200


def java(*arguments: str) -> subprocess.Popen:
    home = Path(pyspark.__file__).parent
    environment = {
        **os.environ,
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_SCALA_VERSION": "2.13",
    }
    line = ["java", "-Xmx512m", "-cp", str(home / "jars" / "*"), *arguments]
    return subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A standalone master, and two workers with a core each."""
    port = "17077"
    work = tmp_path_factory.mktemp("work")
    processes = [
        java("org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", port, "--webui-port", "0")
    ]
    time.sleep(5)
    for number in range(2):
        processes.append(
            java(
                "org.apache.spark.deploy.worker.Worker", "--host", "127.0.0.1", "--cores", "1", "--memory", "1500m", "--webui-port", "0",
                "--work-dir", str(work / str(number)), f"spark://127.0.0.1:{port}",
            )  # fmt: skip
        )
    yield f"spark://127.0.0.1:{port}"
    for process in reversed(processes):
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> Path:
    """Where Spark tells of its tasks."""
    return tmp_path_factory.mktemp("events")


@pytest.fixture(scope="module")
def session(cluster, log):
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    settings = {
        "spark.driver.host": "127.0.0.1",
        "spark.eventLog.compress": "false",
        "spark.eventLog.dir": log.as_uri(),
        "spark.eventLog.enabled": "true",
        "spark.executor.memory": "800m",
        "spark.speculation": "true",
        "spark.speculation.multiplier": "1.2",
        "spark.speculation.quantile": "0.5",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.task.maxFailures": "8",
    }
    builder = SparkSession.builder.master(cluster).appName("streamreg")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


@pytest.fixture(scope="module")
def rows() -> pyarrow.Table:
    columns = ["arr_delay", "dep_delay", "origin", "month", "distance", "carrier"]
    return pyarrow.concat_tables([pyarrow.parquet.read_table(GOLDEN / "flights.parquet", columns=columns)] * TIMES)


@pytest.fixture(scope="module")
def frame(session, rows, tmp_path_factory):
    """Partitions of their own files, of which one holds half of the rows."""
    folder = tmp_path_factory.mktemp("flights")
    half = rows.num_rows // 2
    pyarrow.parquet.write_table(rows.slice(0, half), folder / "half.parquet", row_group_size=half)
    each = -(-(rows.num_rows - half) // (PARTITIONS - 1))
    for number in range(PARTITIONS - 1):
        part = rows.slice(half + number * each, each)
        pyarrow.parquet.write_table(part, folder / f"part-{number:03}.parquet")
    # Opening a file counts as much as a partition may have: each is one of its own.
    session.conf.set("spark.sql.files.maxPartitionBytes", str(1 << 30))
    session.conf.set("spark.sql.files.openCostInBytes", str(1 << 30))
    frame = session.read.parquet(str(folder))
    assert frame.rdd.getNumPartitions() == PARTITIONS
    return frame


def command(pid: str) -> str:
    try:
        return Path("/proc", pid, "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def parent(pid: str) -> str:
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[1]
    except OSError:
        return "0"


def executors() -> list[str]:
    return [e.name for e in Path("/proc").glob("[0-9]*") if "CoarseGrainedExecutorBackend" in command(e.name)]


def workers() -> list[str]:
    """Processes of Python that run tasks: children of those that begin them."""
    daemons = [e.name for e in Path("/proc").glob("[0-9]*") if "pyspark.daemon" in command(e.name)]
    return [pid for pid in daemons if parent(pid) in daemons]


def done(session) -> int:
    """Tasks that have ended in the stages under way."""
    tracker = session.sparkContext.statusTracker()
    stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
    return sum(stage.numCompletedTasks for stage in stages if stage)


def killed(session, find, tasks: int, times: int) -> threading.Thread:
    """Kills a process so many times: after so many tasks, and after as many more."""

    def kill() -> None:
        for turn in range(1, times + 1):
            until = time.monotonic() + 120
            while done(session) < tasks * turn and time.monotonic() < until:
                time.sleep(0.02)
            for pid in find()[:1]:
                os.kill(int(pid), signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def test_any_partitioning_gives_the_same_bytes(frame, rows):
    state = on_spark.sums(MODEL, frame)
    here = sr.State(MODEL).update(rows)
    assert state.nobs == here.nobs
    assert bytes(state) == bytes(here)
    again = on_spark.sums(MODEL, frame.repartition(7))
    assert bytes(again) == bytes(here)
    fit = on_spark.fit(MODEL, frame)
    assert dict(fit.params) == dict(sr.ols(MODEL, rows, precision="exact").params)


def test_the_sums_are_those_of_the_command_line(frame, rows, tmp_path):
    pyarrow.parquet.write_table(rows, tmp_path / "all.parquet")
    line = [sys.executable, "-m", "streamreg", "fit", tmp_path / "all.parquet", MODEL, "--save-state", tmp_path / "s.sreg", "-q"]
    subprocess.run([*line, "-o", tmp_path / "r.txt"], check=True)
    (tmp_path / "spark.sreg").write_bytes(bytes(on_spark.sums(MODEL, frame)))
    # The header has the files; the sums are the rows of a Parquet file.
    assert pyarrow.parquet.read_table(tmp_path / "spark.sreg") == pyarrow.parquet.read_table(tmp_path / "s.sreg")


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
@pytest.mark.parametrize(("find", "tasks", "times"), [(executors, 20, 1), (workers, 20, 6)])
def test_what_is_killed_is_run_again(find, tasks, times, session, frame, rows, log):
    attempts = again(log)
    thread = killed(session, find, tasks, times)
    state = on_spark.sums(MODEL, frame)
    thread.join()
    assert bytes(state) == bytes(sr.State(MODEL).update(rows))
    assert again(log) > attempts, "no task was run again"


def again(log: Path) -> int:
    """How many tasks were begun once more."""
    lines = (line for path in log.rglob("events_*") for line in path.read_text().splitlines())
    tasks = (json.loads(line) for line in lines if "SparkListenerTaskStart" in line)
    return sum(task["Task Info"]["Attempt"] > 0 for task in tasks)


@pytest.mark.parametrize("options", [{"vcov": "hc1"}, {"vcov": "hc3"}, {"cluster": "carrier"}, {"cluster": ["carrier", "month"]}], ids=str)
def test_robust_errors_take_a_second_job(options, frame, rows):
    model = "arr_delay ~ dep_delay + origin + distance"
    fit, here = on_spark.fit(model, frame, **options), sr.ols(model, rows, precision="exact", **options)
    assert dict(fit.params) == dict(here.params) and fit.nobs == here.nobs
    assert dict(fit.bse) == pytest.approx(dict(here.bse), rel=1e-9)
    assert fit.report["vcov"] == here.report["vcov"]


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
def test_a_killed_second_job_counts_every_row_once(session, frame, rows, log, monkeypatch):
    attempts, model, threads = again(log), "arr_delay ~ dep_delay + origin", []
    first = sr.State.scores

    def between_the_jobs(state, *args, **options):
        threads.append(killed(session, workers, 20, 6))
        return first(state, *args, **options)

    monkeypatch.setattr(sr.State, "scores", between_the_jobs)
    fit = on_spark.fit(model, frame, cluster="carrier")
    for thread in threads:
        thread.join()
    assert dict(fit.bse) == pytest.approx(dict(sr.ols(model, rows, cluster="carrier").bse), rel=1e-9)
    assert again(log) > attempts, "no task was run again"


@pytest.mark.parametrize(("options", "words"), [({"vcov": "hac:4"}, "order of time"), ({"vcov": "hc9"}, "hc9")], ids=str)
def test_what_partitions_cannot_have_is_refused_before_the_first_job(options, words):
    with pytest.raises(sr.StreamregError, match=words):
        on_spark.fit("arr_delay ~ dep_delay", None, **options)


def test_groups(frame, rows):
    with pytest.warns(sr.StreamregWarning, match="dropped"):
        table = on_spark.fit("arr_delay ~ dep_delay", frame, by="carrier")
    with pytest.warns(sr.StreamregWarning, match="dropped"):
        here = sr.groups("arr_delay ~ dep_delay", rows, by="carrier")
    for name in ["carrier", "term", "estimate", "std_error", "rows"]:
        assert table.column(name) == here.column(name)


def test_predictions(frame, rows):
    fit = on_spark.fit("arr_delay ~ dep_delay + distance", frame)
    found = on_spark.predict(fit, frame.limit(1000), keep=["distance", "origin"], interval="confidence")
    assert found.columns == ["distance", "origin", "prediction", "conf_low", "conf_high"]
    table = found.toArrow()
    assert table.num_rows == 1000 and table["prediction"].null_count < 1000


def test_a_row_that_cannot_be_used_names_partition_and_column(frame):
    from pyspark.errors import PythonException

    with pytest.raises(PythonException, match=r"partition \d+: .*arr_delay"):
        on_spark.sums("arr_delay ~ dep_delay", frame, missing="error")


def test_polynomials_take_one_centre(frame, rows):
    model = "arr_delay ~ poly(dep_delay, 2)"
    complete = frame.dropna(subset=["dep_delay"])
    like = sr.State(model).update(complete.limit(1000).toArrow())
    fit = on_spark.fit(model, complete, like=like)
    here = sr.ols(model, rows, precision="exact")
    assert fit.rsquared == pytest.approx(here.rsquared, rel=1e-9)
