"""How much of a seed's difference survives on other kernels?

Pairs of the published full study are run again here, with the same seeds, and compared with what is
published: the differences of the same pairs, on two kinds of machine or with two kinds of kernels.

    uv run python benchmarks/other_machine.py [--seeds 20-24] [--kernels native] [--folder FOLDER]

With --folder the runs are kept there, and the same command goes on with what is missing. With
--recorded nothing is run: five pairs of the second edition that were run again on AVX2 are compared
with what is published of them, from a CPU with AMX.
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
from scipy import stats

ROOT = Path(__file__).resolve().parents[1]
FULL = ROOT / "experiments/dropout/full.toml"
PUBLISHED = ROOT / "experiments/dropout/full/result.json"
SECOND = ROOT / "experiments/dropout/second-edition/result.json"
# val/loss_at_equal_fit of seeds 10 to 14 of second-edition.toml, run again at fffde6d on AVX2.
AGAIN = {"10": 0.0011, "11": -0.0010, "12": -0.0014, "13": -0.0098, "14": -0.0014}
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


def recorded() -> None:
    """How much of each recorded pair's difference survived."""
    published = json.loads(SECOND.read_text(encoding="utf-8"))["differences"]
    (by_seed,) = (of["by_seed"] for of in published if of["metric"] == "val/loss_at_equal_fit")
    before, again = (np.array([of[seed] for seed in AGAIN]) for of in (by_seed, AGAIN))
    found = stats.pearsonr(before, again)
    low, high = found.confidence_interval(0.95)
    print(f"change of a pair, SD {(again - before).std(ddof=1):.4f}; spread of pairs, SD "
          f"{before.std(ddof=1):.4f} and {again.std(ddof=1):.4f}; r {found.statistic:.2f} "
          f"[{low:.2f}, {high:.2f}]")  # fmt: skip


@click.command()
@click.option("--seeds", default="20-24", show_default=True)
@click.option("--kernels", type=click.Choice(["native", "portable"]), default="native")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--recorded", "only_recorded", is_flag=True)
def main(seeds: str, kernels: str, folder: Path | None, only_recorded: bool) -> None:
    from fashion_dropout.learning.kernels import describe_machine
    from fashion_dropout.studies.read import read_record

    if only_recorded:
        recorded()
        return
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
