"""The README's commands, word for word against a live server, and what they print.

A fenced block `sh` holds commands (a backslash continues a line); the block `text`, `json` or `csv` right after it holds
what they print.  Only the port differs.  Blocks after the marker <!-- not run --> are for reading.  Numbers that change
from run to run (times, revisions) are written as ... in the README.
"""
import os
import re
import subprocess
import unittest

from tally_server import ROOT, TallyServer, environment


def blocks(text):
    """(language, body, is it to be run) of each fenced block, in order."""
    for found in re.finditer(r"(?ms)^(<!-- not run -->\n)?```(\w*)\n(.*?)^```$", text):
        yield found.group(2), found.group(3), not found.group(1)


def examples():
    """(commands, output or None)."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as f:
        listed = list(blocks(f.read()))
    for i, (language, body, wanted) in enumerate(listed):
        if language == "sh" and wanted and "curl" in body:
            after = listed[i + 1] if i + 1 < len(listed) else ("", "", True)
            yield body, after[1] if after[0] in ("text", "json", "csv") and after[2] else None


def pattern(text):
    """A regular expression of the output shown: ... stands for anything, blanks and line ends are loose."""
    words = [re.escape(word).replace(r"\.\.\.", ".*?") for word in text.split()]
    return re.compile(r"\s*" + r"\s*".join(words) + r"\s*\Z", re.S)


class Readme(unittest.TestCase):
    def test_the_first_two_blocks_are_run_and_test(self):
        with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as f:
            first = [line for _, body, _ in blocks(f.read()) for line in body.splitlines()][:2]
        self.assertEqual(first, ["make run", "make test"])

    def test_curl_examples_print_what_is_shown(self):
        listed = list(examples())
        self.assertGreaterEqual(len(listed), 8)
        with TallyServer() as server:
            for commands, shown in listed:
                commands = commands.replace("127.0.0.1:7070", "127.0.0.1:%d" % server.port)
                done = subprocess.run(["bash", "-euo", "pipefail", "-c", commands], cwd=ROOT, env=environment(), stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, timeout=60, check=False)
                printed = done.stdout.decode().replace("127.0.0.1:%d" % server.port, "127.0.0.1:7070")
                with self.subTest(commands):
                    self.assertEqual(done.returncode, 0, done.stderr.decode()[-1000:])
                    if shown is not None:
                        self.assertRegex(" ".join(printed.split()), pattern(shown), "printed:\n" + printed)

    def test_the_python_example_runs(self):
        with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as f:
            listed = [body for language, body, wanted in blocks(f.read()) if language == "python" and wanted]
        self.assertTrue(listed)
        for body in listed:
            compile(body, "README.md", "exec")


if __name__ == "__main__":
    unittest.main()
