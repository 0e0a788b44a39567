-- The second database, for MLflow's users and their rights.
CREATE DATABASE mlflow_users OWNER mlflow;
-- Each process of MLflow's server may open 45 connections; PostgreSQL's own limit is 100 in all. It
-- counts from the next start of PostgreSQL on.
ALTER SYSTEM SET max_connections = 400;
