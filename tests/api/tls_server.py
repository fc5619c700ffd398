"""A server that speaks https, with a certificate made for the test."""
import http.client
import os
import socket
import ssl
import subprocess

from tally_server import TallyServer

NAMES = "DNS:localhost,DNS:tally.example,IP:127.0.0.1"


def make_certificate(folder, name="server", kind="ec", days=30, subject="localhost"):
    """(certificate, key): paths of a self-signed pair, which is its own authority."""
    cert, key = (os.path.join(folder, "%s.%s.pem" % (name, what)) for what in ("cert", "key"))
    algorithm = ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"] if kind == "ec" else ["rsa:2048"]
    dates = ["-days", str(days)]
    subprocess.run(["openssl", "req", "-x509", "-newkey", *algorithm, "-nodes", "-keyout", key, "-out", cert, *dates, "-subj", "/CN=" + subject, "-addext", "subjectAltName=" + NAMES],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    os.chmod(key, 0o600)
    return cert, key


class TlsServer(TallyServer):
    """As a TallyServer; requests go over TLS and the certificate is checked."""

    def __init__(self, *options, kind="ec", **more):
        super().__init__(*options, **more)
        self.cert, self.key = make_certificate(self.folder, kind=kind)
        self.options += ["--tls-cert", self.cert, "--tls-key", self.key]

    @property
    def url(self):
        return "https://localhost:%d" % self.port

    def context(self):
        return ssl.create_default_context(cafile=self.cert)

    def connect(self, timeout=60):
        return http.client.HTTPSConnection("localhost", self.port, timeout=timeout, context=self.context())

    def wire(self, timeout=20, context=None):
        """A TLS connection of one's own."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=timeout)
        return (context or self.context()).wrap_socket(plain, server_hostname="localhost")
