"""Row 66: the certificate of a scheduler, or of the proxy before a tracking server, has expired."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import dask
import mlflow
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fashion_dropout.errors import ClusterError, TrackingError
from fashion_dropout.studies import scheduler
from fashion_dropout.studies.scheduler import Scheduler
from fashion_dropout.tracking.store.connect import connect
from tracking_server import HOST

DAY = datetime.timedelta(days=1)


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that expired yesterday and is its own authority, and its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - 9 * DAY).not_valid_after(now - DAY)
    no = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
    ) | dict.fromkeys(("crl_sign", "encipher_only", "decipher_only"), False)
    for extension in (
        address,
        x509.BasicConstraints(ca=True, path_length=None),
        x509.KeyUsage(digital_signature=True, key_cert_sign=True, **no),
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
    ):
        made = made.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    form = serialization.Encoding.PEM
    certificate.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(form))
    private.write_bytes(
        key.private_bytes(form, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, private


@pytest.fixture
def expired(tmp_path: Path) -> Iterator[tuple[str, Path, Path]]:
    """The place of a TLS server; its certificate, which its clients know, and the key of it."""
    certificate, key = write_certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server((HOST, 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                with suppress(OSError), context.wrap_socket(client, server_side=True) as secured:
                    secured.recv(1)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"{HOST}:{listener.getsockname()[1]}", certificate, key
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def test_of_a_scheduler_it_is_one_line_with_how_to_see_the_date(expired, monkeypatch):
    place, certificate, key = expired
    monkeypatch.setattr(scheduler, "_CONNECT_SECONDS", 2)
    tls = {"ca-file": certificate, "client.cert": certificate, "client.key": key}
    given = {f"distributed.comm.tls.{name}": str(path) for name, path in tls.items()}
    with (
        dask.config.set(given),
        pytest.raises(ClusterError) as error,
        scheduler.connected(Scheduler(f"tls://{place}")),
    ):
        pass
    said = str(error.value)
    assert "\n" not in said
    assert "certificate has expired" in said
    assert "openssl x509 -enddate" in said


@pytest.mark.usefixtures("store")  # which gives MLflow its own address back
def test_of_a_tracking_server_it_is_one_line_without_the_password(expired, monkeypatch):
    place, certificate, _ = expired
    mlflow.set_tracking_uri(f"https://ann:a-secret@{place}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(certificate))
    with pytest.raises(TrackingError) as error:
        connect()
    said = str(error.value)
    assert "\n" not in said
    assert "certificate has expired" in said
    assert "a-secret" not in said
