"""What is recorded and where: MLflow, never Keras layers, never statistics."""
