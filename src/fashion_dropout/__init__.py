"""Does dropout change how a small network overfits Fashion-MNIST, and by how much?"""

import os

__version__ = "0.1.0"

# MLflow reports its use to its makers unless it is told otherwise before it is imported. Nobody who
# starts this program has agreed to that; who wants it sets the variable to false.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
