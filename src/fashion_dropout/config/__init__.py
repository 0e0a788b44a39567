"""What is declared before anything runs: one run, a study, the promotion gate."""
