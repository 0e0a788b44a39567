"""MLflow's store: reached, its calls bounded in time, its errors told in one line."""
