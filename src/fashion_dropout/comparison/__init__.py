"""From recorded numbers to figures and verdicts: never Keras, never MLflow."""
