"""Data → Figure. Nothing here saves or shows; the caller does.

In every figure, regimes are in their order, the baseline first, and the language is that of the
words.
"""
