"""A study for a paper: tables, the methods in words, and what LaTeX needs around them."""
