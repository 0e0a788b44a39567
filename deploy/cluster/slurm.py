"""Workers on Slurm, one core each, for as long as this runs.

Use: python deploy/cluster/slurm.py 64
It needs `pip install dask-jobqueue` beside the program, and a shared folder for the environment.
A login node is shared, and whoever reaches a scheduler can run code as you. So it also needs the
certificates of certificates.sh in a shared folder: set the variables DASK_DISTRIBUTED__COMM__TLS__…
of cluster.env.example, and CLIENT__CERT and CLIENT__KEY of the same form, before.
`compare --scheduler` takes the address that it prints. With --print it shows the job script only.
"""

import argparse
import time

from dask_jobqueue import SLURMCluster
from distributed import Security

parser = argparse.ArgumentParser()
parser.add_argument("workers", type=int)
parser.add_argument("--print", action="store_true")
arguments = parser.parse_args()

security = Security(require_encryption=True)  # its files are those that the variables name
certificates = (security.tls_scheduler_cert, security.tls_worker_cert, security.tls_client_cert)
if None in (security.tls_ca_file, *certificates):
    parser.error("expected certificates of scheduler, worker and client; set their variables")

cluster = SLURMCluster(
    security=security,
    cores=1,  # one thread a worker: the program refuses more
    processes=1,
    memory="4GB",
    walltime="08:00:00",  # the default ends a worker after half an hour
    # Checkpoints in a shared folder: a cell of a job that has ended goes on in another one.
    job_script_prologue=['export FASHION_DROPOUT_STATE="$HOME/.local/state/fashion-dropout"'],
    scheduler_options={"dashboard_address": "127.0.0.1:0"},
)
if arguments.print:
    print(cluster.job_script())
else:
    print(f"fashion-dropout compare STUDY --scheduler {cluster.scheduler_address}", flush=True)
    while True:
        if len(cluster.workers) < arguments.workers:  # those of jobs that have ended are missing
            cluster.scale(arguments.workers)
        time.sleep(60)
