"""What a study of very many cells takes without its training: `compare`, `report` and `studies` on
recorded runs, in SQLite, in PostgreSQL, or behind a tracking server on one of them.

Twenty pairs of runs are recorded as usual, and their rows copied for all other seeds.

    uv run python benchmarks/cluster.py [--cells 10000] [--store postgresql] [--server]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import click
import mlflow
import sqlalchemy as sql

from fashion_dropout.config.study import Study, read_study
from fashion_dropout.learning.dataset import open_dataset
from fashion_dropout.tracking.store import tags

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from postgresql import postgresql
from recorded import record_study
from study_text import study_text
from tracking_server import tracking_server

RECORDED = 20  # pairs


def write_study(folder: Path, pairs: int) -> Study:
    """A study of so many pairs, in a file that has its name."""
    decision = {"primary": "gap/loss", "smallest_difference": 0.02}
    path = folder / "many.toml"
    path.write_text(study_text("many", range(pairs), {"epochs": 20}, decision), encoding="utf-8")
    return read_study(path)


def copy_runs(uri: str, recorded: Study, wanted: Study) -> None:
    """Copy the rows of the recorded runs for all other seeds; all are of the wanted study then."""
    engine = sql.create_engine(uri)
    schema = sql.MetaData()
    schema.reflect(engine, only=["runs", "metrics", "latest_metrics", "params", "tags", "inputs"])
    runs, params, labels, inputs = (
        schema.tables[name] for name in ("runs", "params", "tags", "inputs")
    )
    of_runs = [schema.tables[name] for name in ("metrics", "latest_metrics", "params", "tags")]

    def copied(table: sql.Table, column: str, of: str, **changed: str) -> sql.Insert:
        names = [each.name for each in table.columns]
        values = [sql.literal(changed[n]) if n in changed else table.c[n] for n in names]
        return table.insert().from_select(names, sql.select(*values).where(table.c[column] == of))

    with engine.begin() as connection:
        study = connection.execute(
            sql.select(labels.c.run_uuid).where(labels.c.value == tags.STUDY_RUN)
        ).scalar_one()
        for table in (*of_runs, runs):
            connection.execute(table.delete().where(table.c.run_uuid == study))
        connection.execute(
            labels.update().where(labels.c.key == tags.STUDY).values(value=wanted.key)
        )
        names = connection.execute(sql.select(runs.c.name, runs.c.run_uuid))
        known: dict[str, str] = dict(map(tuple, names))
        assert len(known) == len(recorded.cells())
        for cell in wanted.cells()[len(known) :]:
            seed, new = str(cell.config.seed), uuid4().hex
            old = known[f"{cell.regime}-seed{cell.config.seed % RECORDED}"]
            connection.execute(copied(runs, "run_uuid", old, run_uuid=new, name=cell.name))
            for table in of_runs:
                connection.execute(copied(table, "run_uuid", old, run_uuid=new))
            own = {"source_id": new, "input_uuid": uuid4().hex}
            connection.execute(copied(inputs, "source_id", old, **own))
            for table, key, value in (
                (params, "seed", seed), (labels, tags.SEED, seed), (labels, tags.CELL, cell.name)
            ):  # fmt: skip
                place = (table.c.run_uuid == new) & (table.c.key == key)
                connection.execute(table.update().where(place).values(value=value))
    engine.dispose()


def measured(*arguments: str) -> tuple[float, float, str]:
    """Seconds, peak memory in MiB and the output of a command that succeeds."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "fashion_dropout", *arguments], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    said = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(arguments)} has failed")
    return time.perf_counter() - began, used.ru_maxrss / 1024, said


def first_page(uri: str, study: Study) -> float:
    """Seconds for the runs that MLflow's grouped page of a study asks for first."""
    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name("fashion-mnist-dropout")
    of_study = f"tags.study = '{study.key}' and tags.role = 'run'"
    began = time.perf_counter()
    assert client.search_runs(
        [experiment.experiment_id],
        f"{of_study} and attributes.status = 'FINISHED'",
        max_results=100,
        order_by=["attributes.start_time DESC"],
    )
    return time.perf_counter() - began


@click.command()
@click.option("--cells", default=1_000, show_default=True)
@click.option("--store", type=click.Choice(["sqlite", "postgresql"]), default="sqlite")
@click.option("--server", is_flag=True, help="Ask a tracking server on that store.")
def main(cells: int, store: str, server: bool) -> None:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        os.chdir(folder := Path(name))
        uri = f"sqlite:///{folder / 'mlflow.db'}"
        if store == "postgresql":
            uri = stack.enter_context(postgresql()).uri
        mlflow.set_tracking_uri(uri)
        recorded = write_study(folder, RECORDED)
        record_study(recorded, dataset_sha256=open_dataset("synthetic").sha256)
        began = time.perf_counter()
        copy_runs(uri, recorded, wanted := write_study(folder, cells // 2))
        print(f"{len(wanted.cells()):,} cells in {store}, written in "
              f"{time.perf_counter() - began:.0f} s", flush=True)  # fmt: skip
        if server:
            uri = stack.enter_context(tracking_server(folder, store=uri))
        os.environ["MLFLOW_TRACKING_URI"] = uri
        for verb in (("compare", "many.toml"), ("report", "latest"), ("studies",)):
            seconds, memory, said = measured(*verb)
            if verb[0] == "compare" and f": 0 of {2 * (cells // 2)} cells to run" not in said:
                raise SystemExit(f"expected that no cell is run, received:\n{said}")
            print(f"{' '.join(verb)}: {seconds:.1f} s, peak memory {memory:,.0f} MiB", flush=True)
        print(f"the first runs of MLflow's grouped page: {first_page(uri, wanted):.2f} s")


if __name__ == "__main__":
    main()
