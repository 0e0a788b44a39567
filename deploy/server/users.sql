-- The second database, for MLflow's users and their rights.
CREATE DATABASE mlflow_users OWNER mlflow;
-- Each process of MLflow's server may open 45 connections for runs, as many for models, of which it
-- needs few, and 15 for users; PostgreSQL's own limit is 100 in all. This one, for MLflow's four
-- processes, counts from the next start of PostgreSQL on.
ALTER SYSTEM SET max_connections = 400;
