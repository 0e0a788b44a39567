"""Data, network and training loop: Keras and NumPy, never MLflow."""
