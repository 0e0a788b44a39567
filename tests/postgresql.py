"""A real PostgreSQL of a test's own, which can be killed, started again, and given a small disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tracking_server import HOST, free_port

USER = "tester"


def programs_of_postgresql() -> str:
    """The folder of its programs; Debian does not put them on the PATH. Empty if there is none."""
    found = shutil.which("pg_ctl") or max(
        map(str, Path("/").glob("usr/lib/postgresql/*/bin/pg_ctl")), default=""
    )
    return str(Path(found).parent) if found else ""


class PostgreSQL:
    """A server with its files in a folder; it refuses to run as root."""

    def __init__(self, folder: Path) -> None:
        root = os.geteuid() == 0
        self._as_user = (
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if root else []
        )
        if root:
            os.chown(folder, 65534, 65534)
        self.folder, self._port = folder, free_port()
        self._run("initdb", "-D", f"{folder}/db", "-U", USER)

    def _run(self, program: str, *options: str) -> None:
        command = [*self._as_user, f"{programs_of_postgresql()}/{program}", *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")

    @property
    def uri(self) -> str:
        return self.database("postgres")

    def database(self, name: str, password: str = "") -> str:
        """The URI of a database; the server trusts this machine, whatever the password."""
        user = f"{USER}:{password}" if password else USER
        return f"postgresql+psycopg://{user}@{HOST}:{self._port}/{name}"

    def start(self) -> None:
        options = f"-p {self._port} -h {HOST} -k {self.folder}"
        started = ("-o", options, "-l", f"{self.folder}/log", "-w", "start")
        self._run("pg_ctl", "-D", f"{self.folder}/db", *started)

    def kill(self) -> None:
        """Stop at once, without writing anything more, as a power cut does."""
        self._run("pg_ctl", "-D", f"{self.folder}/db", "-w", "-m", "immediate", "stop")


@contextmanager
def postgresql(folder: Path | None = None) -> Iterator[PostgreSQL]:
    """A server that runs.

    Args:
        folder: For its files, open to other users; None for one of its own.
    """
    # pytest's folders are closed to other users
    with tempfile.TemporaryDirectory() as own:
        server = PostgreSQL(folder or Path(own))
        server.start()
        try:
            yield server
        finally:
            server.kill()
