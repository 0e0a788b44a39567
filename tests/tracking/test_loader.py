"""What the loader of a stored model promises a server, without one."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from fashion_dropout.tracking.models.loader import BATCH_SIZE, ServedClassifier


class Busy:
    """A classifier that notes whether anybody comes in while it predicts."""

    def __init__(self) -> None:
        self.inside = threading.Lock()
        self.met = False

    def predict(self, images, batch_size, verbose):
        if not self.inside.acquire(blocking=False):
            self.met = True
            return np.zeros((len(images), 10), np.float32)
        threading.Event().wait(0.01)  # long enough for the others to come in
        self.inside.release()
        return np.full((len(images), 10), images[0, 0, 0, 0], np.float32)


def test_predictions_of_many_threads_follow_one_another():
    classifier = Busy()
    served = ServedClassifier(classifier)
    with ThreadPoolExecutor(8) as clients:
        answers = list(
            clients.map(
                lambda grey: served.predict(np.full((BATCH_SIZE, 28, 28, 1), grey, np.float32)),
                range(16),
            )
        )
    assert not classifier.met
    assert [answer[0, 0] for answer in answers] == list(range(16))
