"""How much of a seed's difference survives on other kernels?

Pairs of the published full study are run again here, with the same seeds, and compared with what is
published: the differences of the same pairs, on two kinds of machine or with two kinds of kernels.

    uv run python benchmarks/other_machine.py [--seeds 20-24] [--kernels native] [--folder FOLDER]

With --folder the runs are kept there, and the same command goes on with what is missing.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

import click
import mlflow
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
FULL = ROOT / "experiments/dropout/full.toml"
PUBLISHED = ROOT / "experiments/dropout/full/result.json"
METRICS = (
    *("val/loss_over_equal_fit", "val/loss_at_equal_fit", "gap/loss", "best/val_loss"),
    *("val/loss", "val/accuracy", "test/accuracy", "test/nll"),
)


def run(seeds: list[int], kernels: str, folder: Path) -> str:
    """Run the pairs of these seeds in a folder; the id of the study's run."""
    text = FULL.read_text(encoding="utf-8")
    for pattern, line in (
        (r"(?m)^name = .*$", 'name = "full-again"'),
        (r"(?m)^seeds = .*$", f"seeds = {seeds}"),
        (r"(?m)^looks = .*\n", ""),
        (r"(?m)^\[base\]$", f'[base]\nkernels = "{kernels}"'),
    ):
        text, found = re.subn(pattern, line, text, count=1)
        assert found, pattern
    study = folder / "full-again.toml"
    study.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "fashion_dropout", "compare", str(study)]
    subprocess.run(command, cwd=folder, check=True)
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    (newest,) = mlflow.search_runs(
        search_all_experiments=True,
        filter_string="tags.role = 'study'",
        max_results=1,
        output_format="list",
    )
    return str(newest.info.run_id)


@click.command()
@click.option("--seeds", default="20-24", show_default=True)
@click.option("--kernels", type=click.Choice(["native", "portable"]), default="native")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False))
def main(seeds: str, kernels: str, folder: Path | None) -> None:
    from fashion_dropout.learning.kernels import describe_machine
    from fashion_dropout.studies.read import read_record

    first, last = map(int, seeds.split("-"))
    wanted = list(range(first, last + 1))
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    then = {one["metric"]: one["by_seed"] for one in published["differences"]}
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    with nullcontext(folder) if folder else tempfile.TemporaryDirectory() as place:
        record = read_record(run(wanted, kernels, Path(place)))
    now = {one.metric: one.by_seed for one in record.compare().differences}
    print(f"{describe_machine()}\nkernels: {record.environment['kernels.isa']}, published with "
          f"{published['environment']['kernels.isa']}; seeds {seeds}\n")  # fmt: skip
    print("| metric | published | again | change of a pair, SD | spread of pairs, SD | r |")
    print("| --- | --- | --- | --- | --- | --- |")
    for metric in METRICS:
        before = np.array([then[metric][str(seed)] for seed in wanted])
        again = np.array([now[metric][seed] for seed in wanted])
        # Of two independent draws the change would have √2 times the spread of pairs.
        change, spread = (again - before).std(ddof=1), before.std(ddof=1)
        correlation = np.corrcoef(before, again)[0, 1]
        print(f"| `{metric}` | {before.mean():+.4f} | {again.mean():+.4f} | {change:.4f} | "
              f"{spread:.4f} | {correlation:+.2f} |")  # fmt: skip


if __name__ == "__main__":
    main()
