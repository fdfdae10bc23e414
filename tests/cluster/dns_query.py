"""Ask the cluster's DNS for the API server's Service; exit with 0 when it answers.

Run inside a node's network namespace: the address of the DNS exists nowhere else.
"""

import socket
import struct
import sys

SERVER = ("10.96.0.10", 53)
NAME = "kubernetes.default.svc.cluster.local"
SECONDS = 1.0


def query(name: str) -> bytes:
    """Return a DNS question for the A record of ``name`` (RFC 1035, section 4.1)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">6H", 1, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 1, 1)


def main() -> int:
    """Ask once; return 0 when there is at least one answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(SECONDS)
        try:
            client.sendto(query(NAME), SERVER)
            reply = client.recv(512)
        except OSError as error:
            print(f"{SERVER[0]}: {error}", file=sys.stderr)
            return 1
    _, flags, _, answers = struct.unpack(">4H", reply[:8])
    if flags & 0xF or not answers:
        print(f"{NAME}: response code {flags & 0xF}, {answers} answers", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
