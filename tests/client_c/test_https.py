"""The C client over https: the certificate is checked, against the authorities that SSL_CERT_FILE names."""
import os
import sys
import unittest

from c_client import ROOT, ClientTest

sys.path.insert(0, os.path.join(ROOT, "tests", "api"))
from tls_server import TlsServer  # noqa: E402  pylint: disable=wrong-import-position


class Https(ClientTest):
    @classmethod
    def setUpClass(cls):
        cls.tls = TlsServer("--allow-host", "tally.example")
        cls.tls.token = cls.tls.create_token("write")
        cls.server = cls.tls.start()

    @classmethod
    def tearDownClass(cls):
        cls.tls.close()

    def test_a_job_logs_with_a_token(self):
        run = self.new_run("minimal")
        self.run_program("minimal", TALLY_RUN=run, TALLY_TOKEN=self.tls.token, SSL_CERT_FILE=self.tls.cert)
        answer = self.tls.get(self.path(run, "epochs"), stage="train", metric="accuracy,loss").json()["epochs"][0]
        self.assertEqual((answer["batches"], answer["metrics"]["accuracy"]["value"]), (100, 27 / 32))

    def test_a_server_that_nobody_vouches_for_gets_nothing(self):
        run = self.new_run("minimal")
        _, err = self.run_program("minimal", TALLY_RUN=run, TALLY_TOKEN=self.tls.token)
        self.assertIn("certificate", err)
        self.assertIn("102 records have not reached", err)
        self.assertEqual(self.tls.get(self.path(run)).status, 404)


if __name__ == "__main__":
    unittest.main()
