#!/bin/sh
# What a machine with a GPU is asked: bench/gpu.sh [--device cuda|cpu] [--arch NAME] [--smollm2 FOLDER] [--out FILE]
# Under ten minutes, offline. Lines of JSON go to FILE ($OUT/gpu.jsonl where OUT is set, else bench/gpu.jsonl).
root=$(cd "$(dirname "$0")/.." && pwd)
python=$root/.venv/bin/python
[ -x "$python" ] || python=python3
PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH} exec "$python" -m bench.gpu "$@"
