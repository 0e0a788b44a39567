"""What Kubernetes is asked for.

Use: python deploy/cluster/kubernetes.py IMAGE 16 | kubectl apply -f -
It needs `pip install dask-kubernetes`, and Dask's operator in the cluster. The Dockerfile beside it
makes the image; the secret `fashion-dropout` has MLFLOW_TRACKING_USERNAME and _PASSWORD.
"""

import json
import sys

from dask_kubernetes.operator import make_cluster_spec

image, workers = sys.argv[1], int(sys.argv[2])
spec = make_cluster_spec(
    name="fashion-dropout",
    image=image,
    n_workers=workers,
    # More threads are refused. Dask's own limit would be the pod's, divided by the node's cores.
    worker_command="dask worker --nthreads 1 --memory-limit 0",
    resources={"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"memory": "4Gi"}},
)
(scheduler,) = spec["spec"]["scheduler"]["spec"]["containers"]
scheduler["args"] = ["dask", "scheduler", "--host", "0.0.0.0"]  # this Dask has no `dask-scheduler`
(worker,) = spec["spec"]["worker"]["spec"]["containers"]
worker["envFrom"] = [{"secretRef": {"name": "fashion-dropout"}}]
for container in (scheduler, worker):
    container["env"] = []  # which would be null, and is no list
print(json.dumps(spec, indent=2))
