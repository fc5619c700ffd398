"""How the program is built, read from the program; and the unit that is to run it."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from tally_server import ROOT, TALLY_BIN


def readelf(*options):
    return subprocess.run(["readelf", "-W", *options, TALLY_BIN], stdout=subprocess.PIPE, check=True).stdout.decode()


@unittest.skipUnless(shutil.which("readelf"), "readelf (binutils) is needed")
class Build(unittest.TestCase):
    def test_it_is_position_independent_and_its_tables_are_read_only(self):
        self.assertRegex(readelf("-h"), r"Type:\s+DYN \(Position-Independent Executable")
        dynamic = readelf("-d")
        self.assertIn("BIND_NOW", dynamic)
        self.assertRegex(dynamic, r"FLAGS_1.*NOW.*PIE")
        self.assertNotRegex(dynamic, r"RPATH|RUNPATH|TEXTREL")

    def test_no_memory_is_writable_and_executable(self):
        headers = readelf("-l")
        self.assertIn("GNU_RELRO", headers)
        self.assertRegex(headers, r"GNU_STACK(\s+0x\w+){5}\s+RW\s")
        for line in re.findall(r"(?m)^\s+LOAD.*$", headers):
            self.assertNotRegex(line, r"\sRWE\s")

    def test_the_stack_and_the_calls_of_libc_are_guarded(self):
        symbols = readelf("--dyn-syms")
        sanitized = "__asan_init" in symbols or "__tsan_init" in symbols
        self.assertIn("__stack_chk_fail", symbols)
        if not sanitized:
            self.assertGreater(len(set(re.findall(r"(__\w+_chk)@", symbols))), 5)


class Unit(unittest.TestCase):
    """docker/tally.service: what it must say, and what systemd thinks of it where it is there."""

    def read(self):
        with open(os.path.join(ROOT, "docker", "tally.service"), encoding="utf-8") as f:
            return f.read()

    def test_it_gives_nothing_that_is_not_needed(self):
        lines = self.read().splitlines()
        for line in ("DynamicUser=yes", "StateDirectory=tally", "ProtectSystem=strict", "ProtectHome=yes", "PrivateTmp=yes", "PrivateDevices=yes",
                     "NoNewPrivileges=yes", "CapabilityBoundingSet=", "MemoryDenyWriteExecute=yes", "RestrictAddressFamilies=AF_INET AF_INET6",
                     "SystemCallFilter=@system-service", "UMask=0077"):
            self.assertIn(line, lines)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not there")
    def test_systemd_takes_it(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "tally.service")
            with open(path, "w", encoding="utf-8") as f:
                f.write(self.read().replace("/usr/local/bin/tally", TALLY_BIN))
            done = subprocess.run(["systemd-analyze", "verify", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            self.assertEqual((done.returncode, done.stdout.decode()), (0, ""))


if __name__ == "__main__":
    unittest.main()
