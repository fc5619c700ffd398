"""Behind a real nginx that ends TLS, with the configuration of docs/operations.md."""
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

from tally_server import ROOT, ApiTest, Response, TallyServer, gz, wait_until
from tls_server import make_certificate

NGINX = shutil.which("nginx") or ("/usr/sbin/nginx" if os.path.exists("/usr/sbin/nginx") else None)
RECORD = {"stage": "t", "epoch": 0, "step": 0, "correct": 1, "total": 2}


def records(first, n):
    return [dict(RECORD, step=first + i) for i in range(n)]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Proxy:
    """An nginx of the test's own: the documented server, with its ports and files put in their place."""

    def __init__(self, upstream):
        self.folder = tempfile.mkdtemp(prefix="tally-nginx-")
        os.chmod(self.folder, 0o755)
        self.cert, self.key = make_certificate(self.folder)
        self.port = free_port()
        with open(os.path.join(ROOT, "docs", "operations.md"), encoding="utf-8") as f:
            (documented,) = re.findall(r"(?s)```nginx\n(.*?)```", f.read())
        for old, new in (("127.0.0.1:7070", "127.0.0.1:%d" % upstream), ("listen 443 ssl", "listen 127.0.0.1:%d ssl" % self.port),
                         ("/etc/nginx/tls/tally.example.crt", self.cert), ("/etc/nginx/tls/tally.example.key", self.key)):
            assert documented.count(old) == 1, old
            documented = documented.replace(old, new)
        temporary = "\n".join("    %s_temp_path %s/%s;" % (what, self.folder, what) for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        self.config = os.path.join(self.folder, "nginx.conf")
        with open(self.config, "w", encoding="utf-8") as f:
            f.write("worker_processes 1;\npid %s/pid;\nerror_log stderr error;\nevents { worker_connections 256; }\nhttp {\n    access_log off;\n%s\n%s}\n" % (self.folder, temporary, documented))
        self.log = open(os.path.join(self.folder, "log"), "wb")
        self.process = subprocess.Popen([NGINX, "-e", "stderr", "-p", self.folder, "-c", self.config, "-g", "daemon off;"], stdout=self.log, stderr=self.log)
        try:
            wait_until(self.listens, 15, "nginx")
        except AssertionError:
            self.close()
            raise

    def listens(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def close(self):
        self.process.terminate()
        self.process.wait(15)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self):
        context = ssl.create_default_context(cafile=self.cert)
        return http.client.HTTPSConnection("localhost", self.port, timeout=30, context=context)


@unittest.skipUnless(NGINX, "nginx is needed")
class BehindNginx(ApiTest):
    @classmethod
    def setUpClass(cls):
        cls.server = TallyServer("--allow-host", "tally.example")
        cls.server.token = cls.server.create_token("admin")
        cls.server.start()
        cls.server.listen = "127.0.0.1:%d" % cls.server.port  # the same after a restart
        cls.proxy = Proxy(cls.server.port)
        cls.connection = cls.proxy.connect()

    @classmethod
    def tearDownClass(cls):
        cls.connection.close()
        cls.proxy.close()
        cls.server.close()

    def call(self, method, path, body=None, headers=None, token=True, connection=None, chunked=False):
        sent = {"Host": "tally.example"}
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        if body is not None:
            sent["Content-Type"] = "application/json"
        if token:
            sent["Authorization"] = "Bearer " + self.server.token
        sent.update(headers or {})
        connection = connection or self.connection
        connection.request(method, path, body=body, headers=sent, encode_chunked=chunked)
        answer = connection.getresponse()
        return Response(answer.status, answer.getheaders(), answer.read())

    def test_the_page_comes_with_its_headers(self):
        answer = self.call("GET", "/", token=False)
        self.assertEqual(answer.status, 200, answer)
        self.assertIn("default-src 'none'", answer.headers["content-security-policy"])
        self.assertEqual(answer.headers["x-content-type-options"], "nosniff")
        self.assertEqual([v for k, v in answer.header_list if k == "strict-transport-security"], ["max-age=15552000"])
        for path in re.findall(r'"(/assets/[^"]+)"', answer.text):
            self.assertEqual(self.call("GET", path, token=False).status, 200, path)
        api = self.call("GET", "/api/v1/runs")
        self.assertEqual((api.status, api.headers["cache-control"]), (200, "no-store"))

    def test_bodies(self):
        run = self.new_run()
        self.assertEqual(self.call("POST", self.path(run, "batches"), records(0, 10000)).json()["accepted"], 10000)
        packed = self.call("POST", self.path(run, "batches"), gz(records(10000, 10000)), headers={"Content-Encoding": "gzip"})
        self.assertEqual(packed.json()["accepted"], 10000)
        whole = json.dumps(dict(RECORD, step=20000)).encode()
        whole += b" " * (16 * 1024 * 1024 - len(whole))
        self.assertEqual(self.call("POST", self.path(run, "batches"), whole).status, 200, "16 MiB, as without a proxy")
        other = self.proxy.connect()
        self.assertEqual(self.call("POST", self.path(run, "batches"), whole + b" ", connection=other).status, 413)
        other.close()

    def test_lines_that_are_streamed_and_lines_that_come_back(self):
        run = self.new_run()

        def lines():
            for i in range(0, 10000, 100):
                yield "".join(json.dumps(r) + "\n" for r in records(i, 100)).encode()
        answer = self.call("POST", self.path(run, "batches"), lines(), headers={"Content-Type": "application/x-ndjson", "Transfer-Encoding": "chunked"}, chunked=True)
        self.assertEqual(answer.json()["accepted"], 10000)
        back = self.call("GET", self.path(run, "batches") + "?stage=t&limit=10000")
        self.assertEqual(len(back.lines()), 10000)
        again = self.call("POST", self.path(run, "batches"), back.body, headers={"Content-Type": "application/x-ndjson"})
        self.assertEqual(again.json(), {"accepted": 0, "duplicates": 10000, "stale": 0})

    def test_hosts_origins_and_sites(self):
        for host, want in (("tally.example", 200), ("localhost", 200), ("evil.example", 403)):
            self.assertEqual(self.call("GET", "/api/v1/runs", headers={"Host": host}).status, want, host)
        run = self.new_run()
        for headers, want in (({"Origin": "https://tally.example"}, 200), ({"Origin": "https://tally.example:%d" % self.proxy.port}, 200), ({"Origin": "https://evil.example"}, 403),
                              ({"Origin": "null"}, 403), ({"Sec-Fetch-Site": "cross-site"}, 403), ({"Sec-Fetch-Site": "same-origin"}, 200), ({}, 200),
                              ({"X-Forwarded-Host": "evil.example", "X-Forwarded-For": "127.0.0.1", "Forwarded": "host=evil.example"}, 200)):
            self.assertEqual(self.call("POST", self.path(run, "batches"), RECORD, headers=headers).status, want, headers)
        # whom a proxy vouches for is not asked: a token is needed all the same
        self.assertEqual(self.call("GET", "/api/v1/runs", token=False, headers={"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1"}).status, 401)

    def test_the_cookie_is_secure_where_the_browsers_page_came_by_https(self):
        origin = {"Origin": "https://tally.example"}
        answer = self.call("POST", "/api/v1/login", headers=origin)
        self.assertEqual(answer.status, 204, answer)
        self.assertIn("; Secure", answer.headers["set-cookie"])
        cookie = {"Cookie": answer.headers["set-cookie"].split(";")[0]}
        self.assertEqual(self.call("GET", "/api/v1/runs", token=False, headers=cookie).status, 200)
        self.assertEqual(self.call("POST", self.path(self.new_run(), "batches"), RECORD, token=False, headers={**cookie, **origin}).status, 401)
        # what a client says of the way it came is not believed
        plain = self.server.request("POST", "/api/v1/login", headers={"X-Forwarded-Proto": "https", "Forwarded": "proto=https"})
        self.assertNotIn("Secure", plain.headers["set-cookie"])

    def test_connections_are_kept(self):
        run = self.new_run()
        connection = self.proxy.connect()
        self.call("GET", "/api/v1/runs", connection=connection)
        wire = connection.sock
        for i in range(100):
            self.assertEqual(self.call("POST", self.path(run, "batches"), dict(RECORD, step=i), connection=connection).status, 200)
        self.assertIs(connection.sock, wire, "the client's")
        connection.close()
        found = re.search(r"(?m)^tally_connections (\d+)$", self.server.get("/metrics").text)
        self.assertLess(int(found.group(1)), 10, "the proxy's")

    def test_two_lengths_smuggle_nothing(self):
        run = self.new_run()
        hidden = b"DELETE /api/v1/runs/%s HTTP/1.1\r\nHost: tally.example\r\nAuthorization: Bearer %s\r\n\r\n" % (run.encode(), self.server.token.encode())
        self.assertEqual(self.call("POST", self.path(run, "batches"), RECORD).status, 200)
        for lengths in (b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % (5 + len(hidden)), b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"Transfer-Encoding : chunked\r\nContent-Length: %d\r\n" % (5 + len(hidden)),
                        b"Transfer-Encoding: xchunked\r\nContent-Length: %d\r\n" % (5 + len(hidden))):
            head = b"POST /api/v1/runs/%s/batches HTTP/1.1\r\nHost: tally.example\r\nContent-Type: application/json\r\nConnection: close\r\n%s\r\n" % (run.encode(), lengths)
            context = ssl.create_default_context(cafile=self.proxy.cert)
            with context.wrap_socket(socket.create_connection(("127.0.0.1", self.proxy.port), timeout=10), server_hostname="localhost") as wire:
                wire.sendall(head + b"0\r\n\r\n" + hidden)
                while wire.recv(65536):
                    pass
            self.assertEqual(self.call("GET", self.path(run)).status, 200, lengths)

    def test_while_the_server_restarts_clients_are_told_to_come_back(self):
        run = self.new_run()
        self.assertEqual(self.call("POST", self.path(run, "batches"), RECORD).status, 200)
        self.assertEqual(self.server.stop(), 0)
        self.assertEqual(self.call("POST", self.path(run, "batches"), dict(RECORD, step=1)).status, 502)
        self.server.start()
        deadline = time.monotonic() + 15
        while self.call("POST", self.path(run, "batches"), dict(RECORD, step=1)).status == 502 and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(self.call("POST", self.path(run, "batches"), dict(RECORD, step=1)).json()["duplicates"], 1)

    def test_the_python_client(self):
        run = self.new_run()
        script = "import tally\nwith tally.init('tls', id=%r) as run:\n    for i in range(100):\n        run.log('train', 0, i, correct=1, total=2)\n" % run
        with tempfile.TemporaryDirectory() as folder:
            env = dict(os.environ, SSL_CERT_FILE=self.proxy.cert, PYTHONPATH=os.path.join(ROOT, "clients", "python"), HOME=folder, TALLY_URL="https://localhost:%d" % self.proxy.port, TALLY_TOKEN=self.server.token)
            done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, timeout=60, check=False, cwd=folder)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(self.server.get(self.path(run)).json()["series"][0]["batches"], 100)


if __name__ == "__main__":
    unittest.main()
