"""The runs of `fashion-dropout train --select last` in MLflow's store, as Markdown tables."""

import mlflow

METRICS = ["train/loss", "val/loss", "gap/loss", "val_rebound", "test/accuracy", "test/nll"]

runs = mlflow.search_runs(
    experiment_names=["fashion-mnist-dropout"],
    filter_string="status = 'FINISHED' and params.select = 'last' and tags.role = 'run'",
)
runs = runs.rename(columns=lambda name: name.removeprefix("metrics.").removeprefix("tags."))
runs = runs.sort_values(["regime", "seed"], ascending=[False, True])


def row(cells):
    print("|", " | ".join(cells), "|")


row(["regime", "seed", *METRICS, "test/ece", "best/epoch"])
row(["---"] * (len(METRICS) + 4))
for _, run in runs.iterrows():
    figures = [f"{run[metric]:.4f}" for metric in [*METRICS, "test/ece"]]
    row([run["regime"], run["seed"], *figures, f"{run['best/epoch']:.0f}"])

print("\nMean (smallest – largest) over seeds:\n")
row(["regime", *METRICS])
row(["---"] * (len(METRICS) + 1))
for regime, group in runs.groupby("regime", sort=False):
    row(
        [
            f"`{regime}`",
            *(
                f"{group[m].mean():.4f} ({group[m].min():.4f} – {group[m].max():.4f})"
                for m in METRICS
            ),
        ]
    )
