"""On a network file system, where locks cannot be trusted, nothing starts and nothing is made.  The shim pretends to be on one."""
import os
import unittest

from faults import SHIM, FaultTest, run_tally

LOCAL = {"ext4": 0xEF53, "xfs": 0x58465342, "btrfs": 0x9123683E, "tmpfs": 0x01021994, "overlay": 0x794C7630, "zfs": 0x2FC12FC1, "a FUSE system": 0x65735546}
REMOTE = {"NFS": 0x6969, "SMB": 0x517B, "CIFS": 0xFF534D42, "SMB2": 0xFE534D42, "AFS": 0x5346414F, "Coda": 0x73757245, "Ceph": 0x00C36400,
          "OCFS2": 0x7461636F, "Lustre": 0x0BD00BD0, "GPFS": 0x47504653, "GFS2": 0x01161970, "BeeGFS": 0x19830326, "PanFS": 0xAAD7AAEA}


class NetworkFileSystem(FaultTest):
    def commands(self, db):
        yield ["serve", "--db", db, "--listen", "127.0.0.1:0"]
        yield ["token", "create", "--db", db]
        yield ["export", "--db", db, "-"]
        yield ["backup", "--db", db, db + ".copy"]

    def refused(self, server, env, name):
        before = sorted(os.listdir(server.folder))
        for command in self.commands(server.db):
            code, out, err = run_tally(*command, env=dict(env, LD_PRELOAD=SHIM))
            self.assertEqual((code, out), (1, ""), (name, command, err))
            self.assertIn("network file system (%s)" % name, err)
        self.assertEqual(sorted(os.listdir(server.folder)), before, "something was made")

    def test_network_file_systems_are_refused_by_name(self):
        server = self.server()
        for name, magic in REMOTE.items():
            self.refused(server, {"FAULT_FS": "%x" % magic}, name)
        server.start()  # a database that is there already is refused too
        self.assertEqual(server.stop(), 0)
        for name, magic in list(REMOTE.items())[:3]:
            self.refused(server, {"FAULT_FS": "%x" % magic}, name)
        server.close()

    def test_a_remote_fuse_mount_is_found_in_the_table_of_mounts(self):
        server = self.server()
        mounts = os.path.join(server.folder, "mounts")
        root = "/dev/sda1 / ext4 rw 0 0\n"
        for kind in ("fuse.sshfs", "fuse.s3fs", "fuse.rclone", "fuse.glusterfs"):
            with open(mounts, "w", encoding="utf-8") as f:
                f.write(root + "host: %s %s rw 0 0\n" % (server.folder, kind))
            self.refused(server, {"FAULT_MOUNTS": mounts}, kind)
        for table in (root + "host: %sx fuse.sshfs rw 0 0\n" % server.folder,  # another folder with the same beginning
                      root + "host: /tmp fuse.sshfs rw 0 0\n/dev/sdb1 %s ext4 rw 0 0\n" % server.folder,
                      root + "/dev/sdb1 %s fuse.ntfs-3g rw 0 0\n" % server.folder):
            with open(mounts, "w", encoding="utf-8") as f:
                f.write(table)
            code, _, err = run_tally("token", "create", "--db", server.db, env={"FAULT_MOUNTS": mounts, "LD_PRELOAD": SHIM})
            self.assertEqual(code, 0, table + err)

    def test_local_file_systems_are_taken(self):
        server = self.server()
        for name, magic in LOCAL.items():
            code, _, err = run_tally("token", "create", "--db", server.db, env={"FAULT_FS": "%x" % magic, "LD_PRELOAD": SHIM})
            self.assertEqual(code, 0, name + err)


if __name__ == "__main__":
    unittest.main()
