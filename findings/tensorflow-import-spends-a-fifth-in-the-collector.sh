#!/usr/bin/env bash
# Guess:     `import tensorflow` takes seconds because of its large libraries and of what they register; Python's
#            garbage collector, which runs meanwhile, costs one or two percent.
# Behaviour: the collector begins over six hundred times, goes through what grows to a quarter of a million objects,
#            and finds a thousand that can go, as modules stay. Without it, the same import takes a fifth less of
#            the processor's time. `gc.disable()` before and `gc.freeze()` after it is enough.
# Version:   tensorflow 2.21.0 with keras 3.15.1, CPython 3.11.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet --quiet install "tensorflow==2.21.0" "keras==3.15.1"
cat > see.py <<'PYTHON'
import gc
import sys
import time

if sys.argv[1] == "off":
    gc.disable()
began = time.process_time()
import tensorflow  # noqa: E402, F401

seconds = time.process_time() - began
begun = sum(of["collections"] for of in gc.get_stats())
found = sum(of["collected"] for of in gc.get_stats())
gc.freeze()
print(seconds, begun, found, gc.get_freeze_count())
PYTHON
export TF_CPP_MIN_LOG_LEVEL=3
unset PYTHONDONTWRITEBYTECODE
venv/bin/python see.py on > /dev/null 2>&1  # compiles the modules
for _ in 1 2 3; do
  for collector in on off; do
    venv/bin/python see.py "$collector" 2> /dev/null >> "$collector"
  done
done
venv/bin/python - <<'PYTHON'
from pathlib import Path


def least(name: str) -> float:
    return min(float(line.split()[0]) for line in Path(name).read_text().splitlines())


_, begun, found, there = Path("on").read_text().splitlines()[0].split()
on, off = least("on"), least("off")
print(f"collections while tensorflow is imported: {begun}; objects that went: {found}, that stay: {there}")
print(f"processor time, the least of three: {on:.2f} s with the collector, {off:.2f} s without: {off / on:.2f}")
if int(begun) < 300 or int(found) > int(there) / 2 or off / on > 0.92:
    raise SystemExit("it has changed")
PYTHON
