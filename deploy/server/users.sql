-- The second database, for MLflow's users and their rights.
CREATE DATABASE mlflow_users OWNER mlflow;
