"""https spoken by the server itself: what it accepts, what it refuses, and what is in its buffers is not forgotten."""
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from tally_server import ROOT, ApiTest, gz, run_tally, wait_until
from tls_server import TlsServer, make_certificate

RECORD = {"stage": "t", "epoch": 0, "step": 0, "correct": 1, "total": 2}


def records(first, n):
    return [dict(RECORD, step=first + i, sums={"loss": [0.5 * i, 2]}) for i in range(n)]


def posted(run, body, *headers):
    return b"\r\n".join([b"POST /api/v1/runs/%s/batches HTTP/1.1" % run.encode(), b"Host: localhost", b"Content-Type: application/json", b"Content-Length: %d" % len(body), *headers, b"", body])


def read_answers(wire, n):
    """The bodies of n answers, one behind the other."""
    data, out = b"", []
    while len(out) < n:
        head, end, rest = data.partition(b"\r\n\r\n")
        if end:
            length = int(next(line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")))
            if len(rest) >= length:
                out.append((int(head.split()[1]), rest[:length]))
                data = rest[length:]
                continue
        piece = wire.recv(65536)
        if not piece:
            raise AssertionError("closed after %d answers: %r" % (len(out), data[:300]))
        data += piece
    assert not data, data[:300]
    return out


class Tls(ApiTest):
    options = ("--limit", "header_deadline_s=2", "--limit", "request_deadline_s=5")

    @classmethod
    def setUpClass(cls):
        cls.server = TlsServer(*cls.options).start()

    def test_it_says_so(self):
        self.assertTrue(self.server.output[0].startswith("listening on https://127.0.0.1:"), self.server.output)
        self.assertIn("https://", "".join(self.server.output[1:]))
        self.assertEqual(self.server.get("/healthz").status, 200)

    def test_ten_thousand_records_and_what_they_give(self):
        run = self.new_run()
        self.log_ok(run, records(0, 10000))
        self.log_ok(run, records(0, 10000), accepted=0, duplicates=10000)
        packed = self.server.post(self.path(run, "batches"), gz(records(10000, 10000)), headers={"Content-Encoding": "gzip"})
        self.assertEqual(packed.json()["accepted"], 10000)
        self.assertEqual(self.epoch_value(run, "accuracy"), 0.5)
        whole = self.server.get(self.path(run, "batches"), stage="t", limit=10000)
        self.assertEqual(len(whole.lines()), 10000)
        chart = self.ask(run, "steps", metric="accuracy,loss", points=10000)
        self.assertEqual(sum(chart["batches"]), 20000)

    def test_bodies_of_every_size_around_those_of_records(self):
        """A TLS record is 16 KiB, and what is left of one lies in the library, where no poll() sees it."""
        run = self.new_run()
        step = 0
        for size in (16384, 32768, 65536, 262144):
            for more in (-1, 0, 1, 17):
                head = json.dumps([dict(RECORD, step=step)])
                body = (head + " " * (size + more - len(head))).encode()
                with self.server.wire() as wire:
                    wire.sendall(posted(run, body))
                    self.assertEqual(read_answers(wire, 1)[0][0], 200)
                step += 1
        body = (json.dumps([dict(RECORD, step=step)]) + " " * (16 << 20))[:16 << 20].encode()
        with self.server.wire() as wire:
            wire.sendall(posted(run, body))
            self.assertEqual(read_answers(wire, 1)[0][0], 200)

    def test_requests_in_one_record_are_all_answered(self):
        """The second and later ones are in the library's buffer while the first waits for its commit."""
        for n in (2, 10, 60):
            run = self.new_run()
            data = b"".join(posted(run, json.dumps(dict(RECORD, step=i)).encode()) for i in range(n))
            self.assertLess(len(data), 16384)
            with self.server.wire() as wire:
                for turn in range(3):
                    wire.sendall(data)
                    answers = read_answers(wire, n)
                    self.assertEqual({status for status, _ in answers}, {200})
                    if turn == 0:
                        self.assertEqual([json.loads(body)["accepted"] for _, body in answers], [1] * n)
        with self.server.wire() as wire:  # and so many that they do not fit
            get = b"GET /api/v1/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
            threading.Thread(target=wire.sendall, args=(get * 300,), daemon=True).start()
            self.assertEqual({status for status, _ in read_answers(wire, 300)}, {200})

    def test_a_body_that_drips_and_one_that_never_ends(self):
        run = self.new_run()
        body = json.dumps(RECORD).encode()
        data = posted(run, body)
        with self.server.wire() as wire:
            for at in range(0, len(data), 8):
                wire.sendall(data[at:at + 8])
                time.sleep(0.01)
            self.assertEqual(read_answers(wire, 1)[0][0], 200)
        started = time.monotonic()
        with self.server.wire(timeout=30) as wire:
            wire.sendall(data[:-5])
            self.assertEqual(wire.recv(1), b"")
        self.assertLess(time.monotonic() - started, 5 + 2)

    def test_a_slow_reader_gets_all_of_a_large_answer(self):
        run = self.new_run()
        self.log_ok(run, records(0, 10000))
        with self.server.wire() as wire:
            wire.sendall(b"GET /api/v1/runs/%s/batches?stage=t&limit=10000 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % run.encode())
            time.sleep(1)
            got = b""
            while True:
                piece = wire.recv(32768)
                if not piece:
                    break
                got += piece
                time.sleep(0.005)
        self.assertEqual(got.partition(b"\r\n\r\n")[2].count(b"\n"), 10000)

    def test_many_connections_at_once(self):
        run = self.new_run()
        failures = []

        def log(rank):
            try:
                with self.server.wire() as wire:
                    for i in range(20):
                        wire.sendall(posted(run, json.dumps(dict(RECORD, step=i, rank=rank)).encode()))
                        status, body = read_answers(wire, 1)[0]
                        if status != 200:
                            failures.append(body)
            except Exception as error:  # told by the main thread
                failures.append(repr(error))
        threads = [threading.Thread(target=log, args=(rank,)) for rank in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertEqual(self.ask(run, "epochs", metric="accuracy")["epochs"][0]["batches"], 480)

    def test_versions_and_ciphers(self):
        def speaks(**how):
            context = self.server.context()
            context.set_ciphers(how.get("ciphers", "DEFAULT:@SECLEVEL=0"))
            context.minimum_version, context.maximum_version = how["low"], how["high"]
            try:
                with self.server.wire(context=context) as wire:
                    return wire.version()
            except (ssl.SSLError, ConnectionResetError) as error:
                return type(error).__name__
        v = ssl.TLSVersion
        self.assertEqual(speaks(low=v.TLSv1_3, high=v.TLSv1_3), "TLSv1.3")
        self.assertEqual(speaks(low=v.TLSv1_2, high=v.TLSv1_2), "TLSv1.2")
        import warnings
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for old in (v.TLSv1, v.TLSv1_1):
                self.assertNotIn("TLS", speaks(low=old, high=old)[:4])
        for weak in ("AES128-SHA:@SECLEVEL=0", "AES128-GCM-SHA256:@SECLEVEL=0", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0", "ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0"):
            self.assertIn(speaks(low=v.TLSv1_2, high=v.TLSv1_2, ciphers=weak), ("SSLError", "ConnectionResetError", "SSLEOFError"), weak)

    def test_plain_http_is_not_left_hanging(self):
        for data in (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x00" * 100, os.urandom(300), b"\x16\x03\x01\xff\xff" + b"x" * 100):
            started = time.monotonic()
            answer = self.server.raw(data, timeout=10)
            self.assertLess(time.monotonic() - started, 2 + 1.5)
            self.assertNotIn(b"HTTP/1.1 200", answer)
        self.assertEqual(self.server.get("/healthz").status, 200)

    def test_a_handshake_that_stands_still_is_cut_at_the_deadline_of_a_header(self):
        context = self.server.context()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        talk = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        try:
            talk.do_handshake()
        except ssl.SSLWantReadError:
            pass
        hello = outgoing.read()
        for label, data in (("nothing", b""), ("half a hello", hello[:50]), ("a hello", hello)):
            started = time.monotonic()
            with socket.create_connection(("127.0.0.1", self.server.port), timeout=20) as s:
                s.sendall(data)
                while s.recv(65536):
                    pass
            taken = time.monotonic() - started
            self.assertLess(taken, 2 + 1.5, label)
            self.assertGreater(taken, 1, label)
        started = time.monotonic()  # a byte now and then gains nothing
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=20) as s:
            try:
                for i in range(len(hello)):
                    s.sendall(hello[i:i + 1])
                    time.sleep(0.1)
            except OSError:
                pass
        self.assertLess(time.monotonic() - started, 2 + 2)

    def test_half_open_handshakes_hurt_nobody(self):
        waiting = [socket.create_connection(("127.0.0.1", self.server.port), timeout=20) for _ in range(200)]
        try:
            for s in waiting:
                s.sendall(b"\x16\x03\x01\x02\x00\x01")
            started = time.monotonic()
            for _ in range(20):
                with self.server.wire() as wire:
                    wire.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    self.assertEqual(read_answers(wire, 1)[0][0], 200)
            self.assertLess(time.monotonic() - started, 5)
        finally:
            for s in waiting:
                s.close()

    def test_a_refused_upload_is_told_so(self):
        with self.server.wire() as wire:
            wire.sendall(posted("x", b"")[:-2].replace(b"Content-Length: 0", b"Content-Length: 17000000") + b"\r\n")
            got = b""
            while True:
                piece = wire.recv(65536)
                if not piece:
                    break
                got += piece
        self.assertTrue(got.startswith(b"HTTP/1.1 413 "), got[:200])

    @unittest.skipUnless(shutil.which("curl"), "curl is needed")
    def test_curl(self):
        run = self.new_run()
        command = ["curl", "-sS", "--cacert", self.server.cert, "--json", json.dumps(RECORD), self.server.url + self.path(run, "batches")]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        self.assertEqual(json.loads(done.stdout)["accepted"], 1)
        refused = subprocess.run(["curl", "-sS", self.server.url + "/healthz"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        self.assertNotEqual(refused.returncode, 0, "it is nobody's authority")

    def test_the_python_client(self):
        script = "import tally\nwith tally.init('tls', id=%r, url=%r) as run:\n    for i in range(200):\n        run.log('train', 0, i, correct=1, total=2)\n"
        run = self.new_run()
        with tempfile.TemporaryDirectory() as folder:
            env = dict(os.environ, SSL_CERT_FILE=self.server.cert, PYTHONPATH=os.path.join(ROOT, "clients", "python"), HOME=folder, TALLY_DIR=folder)
            done = subprocess.run([sys.executable, "-c", script % (run, self.server.url)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, timeout=60, check=False, cwd=folder)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(self.ask(run, "epochs", stage="train", metric="accuracy")["epochs"][0]["batches"], 200)


class Headers(ApiTest):
    options = ("--allow-host", "tally.example")

    @classmethod
    def setUpClass(cls):
        cls.server = TlsServer(*cls.options, kind="rsa")
        cls.server.token = cls.server.create_token("admin")
        cls.server.start()

    def test_the_cookie_is_secure(self):
        answer = self.server.request("POST", "/api/v1/login")
        self.assertEqual(answer.status, 204, answer)
        self.assertIn("; Secure", answer.headers["set-cookie"])
        sent = {"Cookie": answer.headers["set-cookie"].split(";")[0]}
        self.assertEqual(self.server.get("/api/v1/runs", token=False, headers=sent).status, 200)
        self.assertIn("; Secure", self.server.request("DELETE", "/api/v1/login", headers=sent).headers["set-cookie"])

    def test_strict_transport_is_asked_of_names_and_not_of_addresses(self):
        for host, want in (("tally.example", True), ("tally.example:443", True), ("localhost", False), ("127.0.0.1:7070", False), ("[::1]", False)):
            answer = self.server.get("/", headers={"Host": host})
            self.assertEqual(answer.status, 200)
            self.assertEqual("strict-transport-security" in answer.headers, want, host)

    def test_an_origin_is_that_of_the_host(self):
        for origin, want in (("https://tally.example", 200), ("https://evil.example", 403), ("null", 403)):
            self.assertEqual(self.server.get("/api/v1/runs", headers={"Host": "tally.example", "Origin": origin}).status, want, origin)


class Files(unittest.TestCase):
    def setUp(self):
        self.server = TlsServer()
        self.addCleanup(self.server.close)

    def refused(self, *options, code=1, env=None):
        got, out, err = run_tally("serve", "--db", self.server.db, "--listen", "127.0.0.1:0", *options, env=env)
        self.assertEqual((got, out), (code, ""), err)
        return err

    def test_what_is_wrong_is_said_before_anything_is_opened(self):
        folder, cert, key = self.server.folder, self.server.cert, self.server.key
        other_cert, other_key = make_certificate(folder, "other", "rsa")
        empty, binary, locked, pair = (os.path.join(folder, name) for name in ("empty", "binary", "locked", "pair"))
        open(empty, "wb").close()
        with open(binary, "wb") as f:
            f.write(os.urandom(500))
        os.chmod(empty, 0o600), os.chmod(binary, 0o600)
        subprocess.run(["openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:secret", "-out", locked], check=True)
        os.chmod(locked, 0o600)
        for options, says in (
                (("--tls-cert", cert, "--tls-key", other_key), "not the key of the certificate"),
                (("--tls-cert", other_cert, "--tls-key", key), "not the key of the certificate"),
                (("--tls-cert", cert + ".no", "--tls-key", key), "No such file"),
                (("--tls-cert", cert, "--tls-key", key + ".no"), "No such file"),
                (("--tls-cert", folder, "--tls-key", key), "not a file"),
                (("--tls-cert", empty, "--tls-key", key), "no certificate"),
                (("--tls-cert", binary, "--tls-key", key), "no certificate"),
                (("--tls-cert", key, "--tls-key", key), "no certificate"),
                (("--tls-cert", cert, "--tls-key", empty), "no private key"),
                (("--tls-cert", cert, "--tls-key", binary), "no private key"),
                (("--tls-cert", cert, "--tls-key", locked), "password")):
            err = self.refused(*options)
            self.assertIn(says, err, options)
            self.assertFalse(os.path.exists(self.server.db), options)
        for mode in (0o644, 0o604, 0o660, 0o602, 0o666):
            os.chmod(key, mode)
            self.assertIn("%04o" % mode, self.refused("--tls-cert", cert, "--tls-key", key))
        for options, missing in ((("--tls-cert", cert), "--tls-key"), (("--tls-key", key), "--tls-cert")):
            self.assertIn(missing + " is missing", self.refused(*options, code=2))
        self.assertIn("is missing", self.refused(code=2, env={"TALLY_TLS_CERT": cert}))
        os.chmod(key, 0o640)
        self.server.options = []
        self.server.env = {"TALLY_TLS_CERT": cert, "TALLY_TLS_KEY": key}
        self.server.start()
        self.assertEqual(self.server.get("/healthz").status, 200)

    def test_a_certificate_that_ends_soon_is_a_warning(self):
        for days, event in ((1, "certificate-expires"), (30, "certificate-loaded")):
            self.server.cert, self.server.key = make_certificate(self.server.folder, days=days)
            self.server.start()
            self.assertEqual(self.server.get("/healthz").status, 200)
            self.assertIn('"%s"' % event, self.server.log_text())
            self.server.stop()

    @unittest.skipUnless(shutil.which("faketime") or shutil.which("openssl"), "openssl is needed")
    def test_one_that_has_ended_is_a_warning(self):
        folder = self.server.folder
        request, config = os.path.join(folder, "request.pem"), os.path.join(folder, "ca.cnf")
        with open(config, "w", encoding="ascii") as f:
            f.write("[ca]\ndefault_ca=d\n[d]\ndatabase=%s/index\nnew_certs_dir=%s\nserial=%s/serial\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n" % (folder, folder, folder))
        open(os.path.join(folder, "index"), "wb").close()
        with open(os.path.join(folder, "serial"), "w", encoding="ascii") as f:
            f.write("01\n")
        subprocess.run(["openssl", "req", "-new", "-key", self.server.key, "-subj", "/CN=localhost", "-out", request], check=True)
        subprocess.run(["openssl", "ca", "-batch", "-selfsign", "-config", config, "-keyfile", self.server.key, "-in", request, "-startdate", "20200101000000Z", "-enddate", "20200201000000Z",
                        "-notext", "-out", self.server.cert], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.server.start()
        self.assertIn('"certificate-expired"', self.server.log_text())
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.server.wire()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with self.server.wire(context=context) as wire:
            wire.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertEqual(read_answers(wire, 1)[0][0], 200)

    def test_a_hang_up_reads_the_certificate_again(self):
        server = self.server
        server.start()

        def shown():
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with server.wire(context=context) as wire:
                return wire.getpeercert(binary_form=True)
        first = shown()
        kept = server.wire()
        new_cert, new_key = make_certificate(server.folder, "new", "rsa")
        # half of a renewal: the old one stays
        shutil.copy(new_cert, server.cert)
        server.signal(1)
        wait_until(lambda: "certificate-not-loaded" in server.log_text(), 5)
        self.assertEqual(shown(), first)
        shutil.copy(new_key, server.key)
        server.signal(1)
        wait_until(lambda: shown() != first, 5)
        for _ in range(3):
            server.signal(1)
        kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertEqual(read_answers(kept, 1)[0][0], 200, "who is connected stays")
        kept.close()
        server.hang_up()
        self.assertEqual(server.get("/healthz").status, 200)
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
