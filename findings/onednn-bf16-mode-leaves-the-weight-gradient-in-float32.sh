#!/usr/bin/env bash
# Guess:     on a CPU with AMX, oneDNN's mode that allows bfloat16 inside float32 operations
#            (ONEDNN_DEFAULT_FPMATH_MODE=BF16) moves all three products of a convolution's training step onto
#            AMX: the forward product, the gradient of the images and that of the filters.
# Behaviour: only the first two. The gradient of the filters is still computed by the
#            float32 kernel for AVX-512. So the mode cannot bring what AMX promises to who trains.
# Version:   tensorflow 2.21.0. Seen on a CPU with AMX; elsewhere it says so.
set -euo pipefail
if ! grep -q -w amx_bf16 /proc/cpuinfo; then
  echo "not seen here: this needs a CPU with AMX"
  exit 0
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet --quiet install tensorflow==2.21.0
cat > step.py <<'PYTHON'
import tensorflow as tf

images = tf.Variable(tf.random.stateless_normal([64, 13, 13, 32], [1, 2]))
filters = tf.Variable(tf.random.stateless_normal([3, 3, 32, 64], [3, 4]))


@tf.function
def step():
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(tf.nn.conv2d(images, filters, 1, "VALID")))
    return tape.gradient(loss, [images, filters])


step()
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 TF_ENABLE_ONEDNN_OPTS=1 ONEDNN_VERBOSE=1 ONEDNN_DEFAULT_FPMATH_MODE=BF16 \
  venv/bin/python step.py 2>/dev/null > log
kernel() { grep -m 1 ",exec,cpu,convolution,[^,]*,$1" log | cut -d, -f7 || true; }
forward=$(kernel forward) images=$(kernel backward_data) filters=$(kernel backward_weights)
echo "forward product: $forward"
echo "gradient of the images: $images"
echo "gradient of the filters: $filters"
[[ $forward == *amx* && $images == *amx* && -n $filters && $filters != *amx* ]] || { echo "this has changed"; exit 1; }
