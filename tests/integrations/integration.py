"""The tests of the client's integrations need torch, torchmetrics and lightning: `make test-integrations` sets them up."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "client"))

from client import PACKAGE, ClientTest, job_environment, tally  # noqa: E402  pylint: disable=wrong-import-position

__all__ = ["IntegrationTest", "PACKAGE", "job_environment", "tally"]


class IntegrationTest(ClientTest):
    pass
