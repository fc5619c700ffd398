"""The tests of the client's integrations need torch, torchmetrics and lightning: `make test-integrations` sets them up."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "client"))

from client import PACKAGE, ClientTest, job_environment, tally  # noqa: E402  pylint: disable=wrong-import-position

__all__ = ["IntegrationTest", "PACKAGE", "job_environment", "not_run", "tally"]


def not_run(framework):
    print("*" * 72, "*  NOT RUN: %s cannot be imported here. Its callback is UNTESTED" % framework, "*  by this run.", "*" * 72, sep="\n", file=sys.stderr)


class IntegrationTest(ClientTest):
    pass
