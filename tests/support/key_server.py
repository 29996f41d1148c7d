"""A real HTTPS server with a certificate of its own authority, for keys that are fetched."""

import ssl
import threading
import time
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ONE_DAY = timedelta(days=1)


class Authority:
    """A root, and the certificates it issues."""

    def __init__(self, name="test root"):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._build(name, self.key, authority=True)

    def _build(self, name, key, *, authority=False, start=None, days=10, host=None, issuer=None):
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        start = start or datetime.now(timezone.utc) - ONE_DAY
        parent = issuer or (None if not hasattr(self, "certificate") else self)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(parent.certificate.subject if parent else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + days * ONE_DAY)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        signer = parent.key if parent else key
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        if authority:
            usage = dict.fromkeys(
                ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
                 "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"], False)  # fmt: skip
            builder = builder.add_extension(x509.KeyUsage(**{**usage, "key_cert_sign": True, "crl_sign": True}), critical=True)
        if host is not None:
            names = [x509.DNSName(host)]
            try:
                names.append(x509.IPAddress(ip_address(host)))
                names.pop(0)
            except ValueError:
                pass
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
            builder = builder.add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        return builder.sign(signer, hashes.SHA256())

    def issue(self, name="localhost", key=None, **more):
        key = key or ec.generate_private_key(ec.SECP256R1())
        return key, self._build(name, key, **{"host": name, **more})

    def intermediate(self, name="test intermediate", *, authority=True):
        made = Authority.__new__(Authority)
        made.key = ec.generate_private_key(ec.SECP256R1())
        made.certificate = self._build(name, made.key, authority=authority)
        return made


def pem(*things):
    found = b""
    for thing in things:
        if hasattr(thing, "private_bytes"):
            found += thing.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        else:
            found += thing.public_bytes(serialization.Encoding.PEM)
    return found


class Server:
    """The requests to the server, and its answers: ``answers[path]`` is a status, headers and the pieces of a body."""

    def __init__(self, port):
        self.url = f"https://localhost:{port}"
        self.answers = {}
        self.seen = []

    def answer(self, path, body=b"", status=200, headers=(), wait=0.0, pieces=None):
        self.answers[path] = (status, dict(headers), pieces if pieces is not None else [body], wait)


@contextmanager
def https_server(folder, authority, *, name="localhost", tls=True, **more):
    """Run a server on a free port; it stops with the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            server.seen.append((self.command, self.path, dict(self.headers.items()), body))
            status, headers, pieces, wait = server.answers.get(self.path, (404, {}, [b""], 0.0))
            time.sleep(wait)
            self.send_response(status)
            for header, value in headers.items():
                self.send_header(header, value)
            self.send_header("Connection", "close")
            self.end_headers()
            try:
                for piece in pieces:
                    self.wfile.write(piece() if callable(piece) else piece)
                    self.wfile.flush()
            except OSError:
                pass
            self.close_connection = True

        do_POST = do_GET  # noqa: N815 - what the server looks for

        def log_message(self, *arguments):
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request, client_address):
            pass  # a client that does not trust us hangs up

    httpd = Quiet(("127.0.0.1", 0), Handler)
    if tls:
        key, certificate = authority.issue(name, **more)
        chain = folder / f"chain-{httpd.server_port}.pem"
        chain.write_bytes(pem(key, certificate))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        httpd.socket = context.wrap_socket(httpd.socket, server_side=True, do_handshake_on_connect=False)
    server = Server(httpd.server_port)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def trusting(authority):
    """A client's context that trusts this authority alone."""
    return ssl.create_default_context(cadata=pem(authority.certificate).decode())
