"""Random kills: do short runs and small studies still end with the bits of undisturbed ones?

uv run python benchmarks/soak.py [--kills 50] [--seed 0]

Each subject is a training run or a study of generated images. Its command is started again and
again, and SIGKILLed at a moment drawn uniformly from the time that an undisturbed command takes; of
a study, the program or, one time in three, the busiest of its workers. After a drawn number of
kills it may end. Then its runs are compared with those of an undisturbed command: the digest of the
weights, every step and value of every metric but the clock's, the models. Exit code 1 if anything
differs, or if a run is left that is not FINISHED.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import mlflow
import psutil

ROOT = Path(__file__).resolve().parents[1]
SMOKE = ROOT / "experiments/dropout/smoke.toml"
CLOCK = ("system/", "speed/")
TRAIN = (
    *("train", "--dataset", "synthetic", "--dropout", "0.4", "--seed", "3"),
    *("--epochs", "8", "--learning-rate", "0.004"),
)
COMPARE = ("compare", "study.toml", "--workers", "2")
KILLS_OF_A_SUBJECT = (2, 5)


@dataclass
class Subject:
    """A command in a folder of its own, with a store and a state folder of its own."""

    folder: Path
    command: tuple[str, ...]
    kills: int = 0
    said: str = ""
    died_at: list[float] = field(default_factory=list)

    def start(self) -> subprocess.Popen[str]:
        study = SMOKE.read_text(encoding="utf-8").replace("[0, 1, 2]", "[0, 1]")
        path = self.folder / "study.toml"
        path.write_text(study.replace("epochs = 3", "epochs = 8"), encoding="utf-8")
        own = ("MLFLOW_", "FASHION_", "PYTHONDONTWRITEBYTECODE")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        return subprocess.Popen(
            [sys.executable, "-m", "fashion_dropout", *self.command],
            cwd=self.folder,
            env={**kept, "FASHION_DROPOUT_STATE": str(self.folder / "state")},
            stdout=(self.folder / "out.txt").open("w"),
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self) -> float:
        """Run the command to its end; returns its seconds."""
        began = time.monotonic()
        code = self.start().wait()
        self.said = (self.folder / "out.txt").read_text(encoding="utf-8")
        if code != 0:
            print(f"exit code {code} of {' '.join(self.command)} in {self.folder}:\n{self.said}")
        return time.monotonic() - began

    def kill_after(self, seconds: float, draw: random.Random) -> None:
        """Start the command, and kill it or one of its workers, if it has not ended before."""
        process = self.start()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            victim = psutil.Process(process.pid)
            workers = victim.children(recursive=True) if self.command[0] == "compare" else []
            if len(workers) >= 2 and draw.random() < 1 / 3:
                victim = max(workers, key=lambda worker: worker.memory_info().rss)
            try:
                victim.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:  # it ended in this moment
                process.wait()
                return
            self.kills += 1
            self.died_at.append(seconds)
            if victim.pid != process.pid:
                process.wait()  # a study survives its workers
        process.wait()

    def runs(self) -> list[Any]:
        """All runs of the store."""
        mlflow.set_tracking_uri(f"sqlite:///{self.folder / 'mlflow.db'}")
        return mlflow.search_runs(search_all_experiments=True, output_format="list")

    def outcome(self) -> tuple[dict[str, Any], list[str]]:
        """What each training run has recorded, and what is wrong with the store."""
        client, found, wrong = mlflow.MlflowClient(), {}, []
        everything = self.runs()
        # A study that has finished may be asked for again, and gets a run of its own each time.
        names = Counter(
            run.info.run_name for run in everything if run.data.tags.get("role") == "run"
        )
        wrong += [f"{count} runs {name}" for name, count in names.items() if count > 1]
        for run in everything:
            if run.info.status != "FINISHED":
                wrong.append(f"{run.info.run_name} {run.info.run_id} is {run.info.status}")
            if run.data.tags.get("role") != "run":
                continue
            models = client.search_logged_models(
                [run.info.experiment_id], filter_string=f"source_run_id = '{run.info.run_id}'"
            )
            found[run.info.run_name] = (
                run.data.tags.get("weights.last.sha256"),
                [str(model.status) for model in models],
                {
                    metric: [
                        (entry.step, entry.value)
                        for entry in client.get_metric_history(run.info.run_id, metric)
                    ]
                    for metric in run.data.metrics
                    if not metric.startswith(CLOCK)
                },
            )
        return found, wrong


@click.command()
@click.option("--kills", default=50, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(kills: int, seed: int) -> None:
    draw, began = random.Random(seed), time.monotonic()
    with tempfile.TemporaryDirectory() as home:
        expected, seconds = {}, {}
        for command in (TRAIN, COMPARE):
            whole = Subject(Path(home) / f"whole-{command[0]}", command)
            whole.folder.mkdir()
            seconds[command] = whole.finish()
            expected[command], wrong = whole.outcome()
            print(f"undisturbed {command[0]}: {seconds[command]:.0f} s {wrong or ''}", flush=True)
        done, subjects, bad = 0, 0, 0
        while done < kills:
            command = (TRAIN, COMPARE)[subjects % 2]
            subject = Subject(Path(home) / f"subject-{subjects}", command)
            subject.folder.mkdir()
            for _ in range(min(draw.randint(*KILLS_OF_A_SUBJECT), kills - done)):
                subject.kill_after(draw.uniform(0, seconds[command]), draw)
            subject.finish()
            found, wrong = subject.outcome()
            if found != expected[command]:
                wrong.append("other bits than those of an undisturbed command")
            done, subjects, bad = done + subject.kills, subjects + 1, bad + bool(wrong)
            moments = ", ".join(f"{moment:.0f} s" for moment in subject.died_at)
            print(f"{command[0]}: killed after {moments}: {wrong or 'identical'}", flush=True)
    print(
        f"{done} kills of {subjects} commands (seed {seed}) in {time.monotonic() - began:.0f} s: "
        f"{subjects - bad} identical to the bit, nothing left RUNNING; {bad} not"
    )
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
