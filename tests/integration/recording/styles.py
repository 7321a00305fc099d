"""Tasks in the styles in which Luigi's documentation and examples write them, each under a task `All`."""

import multiprocessing
import os
import signal
import time
from datetime import date
from pathlib import Path

if os.environ["LINEAGE"] == "import":
    import luigi_sinks.recording  # noqa: F401

import luigi
from luigi.parameter import ParameterVisibility
from luigi.tools.range import RangeDaily
from luigi.util import inherits, requires

HERE = Path(__file__).parent
OUT = HERE / "out"

multiprocessing.set_start_method(os.environ["METHOD"], force=True)


class Timing:
    """A context of the user's own: notes each task that enters and leaves."""

    def __init__(self, process):
        self.task = process.task.task_id

    def __enter__(self):
        self.note("enter")

    def __exit__(self, kind, error, trace):
        self.note("exit")

    def note(self, what):
        with (HERE / "timing").open("a") as file:
            file.write(f"{what} {self.task}\n")


class File(luigi.Task):
    """Writes a file named for the task."""

    @property
    def path(self):
        return OUT / f"{self.task_id}.txt"

    def output(self):
        return luigi.LocalTarget(self.path)

    def run(self):
        with self.output().open("w") as file:
            file.write(self.task_id)


class Day(File):
    day = luigi.DateParameter(default=date(2013, 1, 1))
    key = luigi.Parameter(default="PRIVATE-canary-5a1e", visibility=ParameterVisibility.PRIVATE)


@requires(Day)
class Required(File):
    pass


@inherits(Day)
class Inherited(File):
    def requires(self):
        return self.clone(Day)


class ListOut(File):
    """Like TopArtists: a list of files for a list of tasks."""

    def requires(self):
        return [Day(date(2013, 1, number)) for number in (1, 2, 3)]

    def output(self):
        return [luigi.LocalTarget(OUT / f"list_{number}") for number in (1, 2)]

    def run(self):
        for target in self.output():
            with target.open("w") as file:
                file.write("x")


class DictOut(File):
    def requires(self):
        return {"list": ListOut(), "required": Required()}

    def output(self):
        return {name: luigi.LocalTarget(OUT / f"dict_{name}") for name in "ab"}

    def run(self):
        assert self.input()["list"][0].exists()
        for target in self.output().values():
            with target.open("w") as file:
                file.write("x")


class Dynamic(File):
    """Like examples/dynamic_requirements.py: finds out by its first input what else it needs."""

    def requires(self):
        return Day()

    def run(self):
        one = yield Found(number=1)
        assert one.exists()
        yield [Found(number=2), Found(number=3)]
        super().run()


class Found(File):
    number = luigi.IntParameter()


class There(luigi.ExternalTask):
    def output(self):
        return luigi.LocalTarget(__file__)


class Missing(luigi.ExternalTask):
    def output(self):
        return luigi.LocalTarget(OUT / "never")


class UsesThere(File):
    def requires(self):
        return There()


class UsesMissing(File):
    def requires(self):
        return [Missing(), Day()]


class Namespaced(File):
    task_namespace = "mynamespace.inner"


class Batched(File):
    """Luigi runs the tasks of all numbers as the one of the highest."""

    number = luigi.IntParameter(batch_method=max)

    def output(self):
        return luigi.LocalTarget(OUT / "batched")

    def complete(self):
        return self.output().exists()


class Fails(File):
    api_token = luigi.Parameter(default="TOKEN-canary-77b2c9d1")

    def requires(self):
        return Day()

    def run(self):
        raise ValueError("cannot log in with password=PASSWORD-canary-91c0")


class AfterFailure(File):
    def requires(self):
        return Fails()


class Slow(File):
    worker_timeout = 3

    def run(self):
        time.sleep(100)


class Killed(File):
    """With one worker this would be the end of Luigi itself."""

    def run(self):
        if os.environ["WORKERS"] == "1":
            raise RuntimeError("as good as dead")
        os.kill(os.getpid(), signal.SIGKILL)


class NoOutput(luigi.Task):
    """Complete by what it says itself."""

    def complete(self):
        return (OUT / "marker").exists()

    def run(self):
        (OUT / "marker").touch()


class BrokenRequires(File):
    def requires(self):
        raise LookupError("no such thing")


class BrokenComplete(File):
    def complete(self):
        raise LookupError("no such thing")


class Leaves(File):
    def run(self):
        raise SystemExit(3)


class Wrapper(luigi.WrapperTask):
    def requires(self):
        yield Required()
        yield Inherited()


class All(File):
    def requires(self):
        yield from (Wrapper(), DictOut(), Dynamic(), UsesThere(), UsesMissing(), Namespaced(), NoOutput())
        yield from (Batched(1), Batched(2), Batched(3), Fails(), AfterFailure(), Slow(), Killed(), Leaves())
        yield from (BrokenRequires(), BrokenComplete())
        yield RangeDaily(of=Day, start=date(2013, 1, 5), stop=date(2013, 1, 7), days_back=10**5)


class Few(File):
    def requires(self):
        return [Wrapper(), Dynamic(), Fails(), AfterFailure()]


class Some(File):
    def requires(self):
        return [Few(), Killed(), Slow()]
