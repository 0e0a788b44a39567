"""The pages of MLflow's UI, prepared and served."""
