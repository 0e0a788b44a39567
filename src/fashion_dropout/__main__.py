"""Run the command, also from a checkout that is not installed: ``python src/fashion_dropout …``.

MLflow builds a project's environment from conda.yaml, where this package itself does not stand;
Python then puts this very folder on its path, and the folder above it is the one that is meant.
"""

import signal
import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C during the imports: no traceback

from fashion_dropout.cli import main

if __name__ == "__main__":
    main()
