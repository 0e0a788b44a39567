#!/usr/bin/env bash
# Guess:     on a CPU with AVX512-BF16, whose instructions multiply bfloat16, oneDNN's mode that allows
#            bfloat16 inside float32 operations (ONEDNN_DEFAULT_FPMATH_MODE=BF16) is used for
#            convolutions and products of matrices: other last digits, and faster.
# Behaviour: the mode reaches every operation (oneDNN's log shows attr-fpmath:bf16), and nothing follows:
#            the same float32 kernel computes, and every bit is the same. Only AMX would use it.
#            Tensors of bfloat16 do take a bf16 kernel there, so the CPU is not the reason.
# Version:   tensorflow 2.21.0. Seen on a CPU with AVX512-BF16 and without AMX; elsewhere it says so.
set -euo pipefail
if ! grep -q -w avx512_bf16 /proc/cpuinfo || grep -q -w amx_bf16 /proc/cpuinfo; then
  echo "not seen here: this needs a CPU with AVX512-BF16 and without AMX"
  exit 0
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet --quiet install tensorflow==2.21.0
cat > compute.py <<'PYTHON'
import hashlib
import sys

import tensorflow as tf

images = tf.random.stateless_normal([64, 13, 13, 32], [1, 2])
filters = tf.random.stateless_normal([3, 3, 32, 64], [3, 4])
dtype = tf.as_dtype(sys.argv[1])
found = tf.nn.conv2d(tf.cast(images, dtype), tf.cast(filters, dtype), 1, "VALID")
product = tf.linalg.matmul(tf.reshape(images, [64, -1]), tf.reshape(images, [64, -1]), transpose_b=True)
digest = hashlib.sha256(tf.cast(found, tf.float32).numpy().tobytes() + product.numpy().tobytes())
print("bits", digest.hexdigest()[:16])
PYTHON
run() { TF_CPP_MIN_LOG_LEVEL=3 TF_ENABLE_ONEDNN_OPTS=1 ONEDNN_VERBOSE=1 ONEDNN_DEFAULT_FPMATH_MODE=$1 venv/bin/python compute.py "$2" 2>/dev/null; }
for how in "STRICT float32" "BF16 float32" "STRICT bfloat16"; do
  read -r mode dtype <<<"$how"
  run "$mode" "$dtype" > "$mode-$dtype"
  kernel=$(grep ',exec,cpu,convolution,' "$mode-$dtype" | head -1 | cut -d, -f7)
  attribute=$(grep -o 'attr-fpmath:[a-z0-9]*' "$mode-$dtype" | head -1 || true)
  echo "$mode, tensors of $dtype: $(grep '^bits' "$mode-$dtype"), convolution by ${kernel:-?}, ${attribute:-no attribute}"
done
grep -q attr-fpmath:bf16 BF16-float32
diff <(grep '^bits' STRICT-float32) <(grep '^bits' BF16-float32) || { echo "this has changed"; exit 1; }
grep ',exec,cpu,convolution,' STRICT-bfloat16 | grep -q bf16
