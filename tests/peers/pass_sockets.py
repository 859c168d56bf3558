"""Listens as systemd does for a socket unit, then becomes the program of the service with the socket passed to it.

Usage: pass_sockets.py NAME PROGRAM ARGUMENT...
Prints the port that it listens on, on 127.0.0.1.
"""

import os
import socket
import sys

listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
print(listener.getsockname()[1], flush=True)
# The first passed descriptor is 3; sd_listen_fds(3). dup2 leaves it open for the program, even where it is the same.
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES=sys.argv[1])
os.execvp(sys.argv[2], sys.argv[2:])
