"""Ends up in the command that follows the hosts file, in the mount and network namespace it was started in:

    unshare --mount --net python3 namespace.py HOSTS COMMAND...

Brings the loopback device up, gives it an address that is no loopback address, and puts the hosts file in the place of /etc/hosts.
"""

import fcntl
import os
import socket
import struct
import subprocess
import sys

SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK = 0x8913, 0x8914, 0x8916, 0x891C
IFF_UP = 1
# For servers of files that are sent by link: what is fetched must look as if it were on the internet.
PUBLIC = "198.41.0.4"


def main():
    hosts, command = sys.argv[1], sys.argv[2:]
    control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    name = struct.pack("16s", b"lo")
    flags = struct.unpack_from("h", fcntl.ioctl(control, SIOCGIFFLAGS, name + bytes(24)), 16)[0]
    fcntl.ioctl(control, SIOCSIFFLAGS, name + struct.pack("h", flags | IFF_UP) + bytes(22))
    alias = struct.pack("16s", b"lo:1")
    for request, address in ((SIOCSIFADDR, PUBLIC), (SIOCSIFNETMASK, "255.255.255.255")):
        fcntl.ioctl(control, request, alias + struct.pack("HH4s", socket.AF_INET, 0, socket.inet_aton(address)) + bytes(16))
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)
    os.execvp(command[0], command)


main()
