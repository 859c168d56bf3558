"""Those who come to a server in a soak: one function for each kind, which stays for so many seconds."""

import socket
import subprocess
import time


def connect(port, receive_buffer=None):
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(10)
    connection.connect(("127.0.0.1", port))
    return connection


def ask(connection, target):
    connection.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())


def read_until(connection, end, most=65536, pause=0.0):
    """Reads until then; true where bytes came."""
    came = False
    while (left := end - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            if not connection.recv(most):
                return came
        except TimeoutError:
            return came
        came = True
        if pause:
            time.sleep(min(pause, left))
    return came


def watch(port, seconds, target="/stream"):
    with connect(port) as connection:
        ask(connection, target)
        return read_until(connection, time.monotonic() + seconds)


def standard(ports, seconds, random):
    return watch(ports["http"], seconds)


def advance(ports, seconds, random):
    return watch(ports["http"], seconds, "/stream?layout=advance")


def limited(ports, seconds, random):
    return watch(ports["http"], seconds, f"/stream?fps={random.choice([0.5, 1, 5])}&extra-headers=1")


def slow(ports, seconds, random):
    """About 20 kB/s."""
    with connect(ports["http"], 8192) as connection:
        ask(connection, "/stream")
        return read_until(connection, time.monotonic() + seconds, 4096, 0.2)


def stalled(ports, seconds, random):
    """Asks, and never reads."""
    with connect(ports["http"], 8192) as connection:
        ask(connection, "/stream")
        time.sleep(seconds)
        return True


def reset(ports, seconds, random):
    """Breaks the connection in the middle of a picture."""
    with connect(ports["http"]) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        ask(connection, "/stream")
        return bool(connection.recv(1000))


def half_request(ports, seconds, random):
    """Sends a part of a request, and waits."""
    request = b"GET /stream HTTP/1.1\r\nHost: localhost\r\nUser-Agent: half\r\n\r\n"
    with connect(ports[random.choice(["http", "https"])]) as connection:
        connection.sendall(request[: random.randrange(len(request))])
        read_until(connection, time.monotonic() + seconds)
        return True


def snapshot(ports, seconds, random):
    target = random.choice(["/snapshot", "/snapshot?fresh=1", "/", "/status", "/metrics", "/health", "/none"])
    return watch(ports["http"], min(seconds, 5), target)


def curl(ports, seconds, *arguments):
    url = f"https://127.0.0.1:{ports['https']}"
    command = ["curl", "--silent", "--insecure", "--max-time", f"{seconds:.1f}", *arguments, f"{url}/stream"]
    return bool(subprocess.run(command, stdout=subprocess.PIPE, check=False).stdout)


def tls_http1(ports, seconds, random):
    return curl(ports, seconds, "--http1.1")


def http2(ports, seconds, random):
    return curl(ports, seconds, "--http2", "--limit-rate", random.choice(["50k", "10M"]))


KINDS = [standard, advance, limited, slow, stalled, reset, half_request, snapshot, tls_http1, http2]
