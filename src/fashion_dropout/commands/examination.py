"""A finished study looked at again: ``stress`` and ``audit``."""

from __future__ import annotations

from pathlib import Path

import click

from fashion_dropout.commands.options import WholeNumber, data_dir_option, run_of_study


@click.command()
@click.argument("study")
@click.option(
    "--images",
    type=WholeNumber(1, 10**6),
    default=5_000,
    help="How many of the first test images are corrupted.",
)
@data_dir_option
def stress(study: str, images: int, data_dir: Path | None) -> None:
    """Predict corrupted test images with every stored model of a study.

    STUDY is latest, the name of a study, or the id of its own run; `studies` lists them. Noise,
    blur, shift, rotation, less contrast and occlusion, each at five severities; the paired
    differences in accuracy, and a figure that is stored with the study.

    \b
    Examples:
      fashion-dropout stress latest
    """
    from fashion_dropout.examination.stress import stress_study

    stress_study(run_of_study(study), click.echo, data_dir=data_dir, images=images)
    click.echo("stored with the study's run: stress.csv, stress.png")


@click.command()
@click.argument("study")
@data_dir_option
def audit(study: str, data_dir: Path | None) -> None:
    """Look for doubtful labels and near-twins, and compare the regimes without them.

    STUDY is latest, the name of a study, or the id of its own run; `studies` lists them. Doubtful
    is an image for which each run is sure of another class than its label; a near-twin is a test
    image that is nearly a training image. The tables and a contact sheet are stored with the study.

    \b
    Examples:
      fashion-dropout audit latest
    """
    from fashion_dropout.examination.audit import audit_study

    audit_study(run_of_study(study), click.echo, data_dir=data_dir)
    click.echo("stored with the study's run: audit_labels.csv, audit_twins.csv, audit.png")
