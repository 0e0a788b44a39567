"""What is measured after an epoch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EpochRecord:
    """The metrics of one epoch; all but the speed are measured with dropout off, on images and
    labels as the dataset has them.

    Attributes:
        epoch: Counted from 1.
        train_loss: Mean cross-entropy of the evaluated training images, in nats.
        train_accuracy: Share of them that is classified correctly.
        val_loss: Mean cross-entropy of the validation images, in nats.
        val_accuracy: Share of them that is classified correctly.
        learning_rate: Adam's learning rate in the last step.
        images_per_second: Training images a second, evaluation not counted.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    images_per_second: float

    def metrics(self) -> dict[str, float]:
        """The record under the names that MLflow shows."""
        return {
            "train/loss": self.train_loss,
            "train/accuracy": self.train_accuracy,
            "val/loss": self.val_loss,
            "val/accuracy": self.val_accuracy,
            "gap/loss": self.val_loss - self.train_loss,
            "gap/accuracy": self.train_accuracy - self.val_accuracy,
            "speed/images_per_second": self.images_per_second,
            "learning_rate": self.learning_rate,
        }
