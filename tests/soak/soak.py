"""A relay, a camera that is killed again and again, and viewers of all kinds: soak.py MINUTES SEED FOLDER FIGURES.tsv"""

import json
import os
import random
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter

from viewers import KINDS

# At a time, in one thread each.
VISITORS = 20
CAMERA = "videotestsrc is-live=true pattern=snow ! video/x-raw,width=320,height=240,framerate=15/1 ! jpegenc"
# The last third may have that much more than the middle one: what the number of viewers moves by chance.
GROWTH = 1.05
DEADLINE = 30


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def launch(pipeline):
    return subprocess.Popen(["gst-launch-1.0", "--quiet", *pipeline.split()], stdout=subprocess.DEVNULL)


def get(url):
    # The certificate is the relay's own.
    return urllib.request.urlopen(url, timeout=10, context=ssl._create_unverified_context()).read()


def wait_until(what, is_so):
    end = time.monotonic() + DEADLINE
    while not is_so():
        if time.monotonic() > end:
            sys.exit(f"soak: waited {DEADLINE} s in vain for {what}")
        time.sleep(0.05)


def healthy(port):
    try:
        return bool(get(f"http://127.0.0.1:{port}/health"))
    except OSError:
        return False


class Camera:
    """Killed and started again at random."""

    def __init__(self, port):
        self.port, self.kills = port, 0
        self.start()

    def start(self):
        self.process = launch(f"{CAMERA} ! mjpegserversink port={self.port}")

    def stop(self):
        self.process.kill()
        self.process.wait()

    def fault(self, chance, stopping):
        """Dead for a moment, or frozen for one."""
        while not stopping.wait(chance.uniform(5, 25)):
            if chance.random() < 0.3:
                self.process.send_signal(signal.SIGSTOP)
                stopping.wait(chance.uniform(1, 8))
                self.process.send_signal(signal.SIGCONT)
                continue
            self.stop()
            self.kills += 1
            stopping.wait(chance.uniform(0, 3))
            self.start()


class Visitors:
    """Each comes, stays and goes, again and again."""

    def __init__(self, ports, seed):
        self.ports, self.stopping = ports, threading.Event()
        self.came, self.served = Counter(), Counter()
        chances = [random.Random(f"{seed} {number}") for number in range(VISITORS)]
        self.threads = [threading.Thread(target=self.visit, args=[chance]) for chance in chances]
        for thread in self.threads:
            thread.start()

    def visit(self, chance):
        while not self.stopping.wait(chance.uniform(0, 1)):
            kind = chance.choice(KINDS)
            try:
                got = kind(self.ports, chance.uniform(0.2, 15), chance)
            except OSError:
                got = False
            self.came[kind.__name__] += 1
            self.served[kind.__name__] += got

    def leave(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def taken(process):
    """Memory in MB, threads and descriptors of a process."""
    with open(f"/proc/{process.pid}/status") as status:
        lines = dict(line.split(":", 1) for line in status)
    memory = int(lines["VmRSS"].split()[0]) / 1024
    return memory, int(lines["Threads"]), len(os.listdir(f"/proc/{process.pid}/fd"))


def watching(ports):
    """How many watch a stream, over HTTP and HTTPS."""
    statuses = [get(f"{scheme}://127.0.0.1:{port}/status") for scheme, port in ports.items()]
    return sum(json.loads(status)["viewers"] for status in statuses)


def judge(samples):
    """Says how the last third compares with the middle one; true where nothing grew."""
    flat, third = True, len(samples) // 3
    for column, name in enumerate(["memory, MB", "threads", "descriptors"], 1):
        values = [sample[column] for sample in samples]
        middle, last = statistics.mean(values[third : 2 * third]), statistics.mean(values[2 * third :])
        grew = last > middle * GROWTH + 1
        flat &= not grew
        print(f"{name:12} middle third {middle:7.2f}  last third {last:7.2f}  {'GREW' if grew else 'flat'}")
    return flat


def main():
    minutes, seed, folder, figures = float(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
    ports = {"http": free_port(), "https": free_port()}
    camera = Camera(free_port())
    wait_until("the camera", lambda: healthy(camera.port))
    keys = f"tls-certificate-file={folder}/certificate.pem tls-private-key-file={folder}/key.pem"
    relay = launch(
        f"mjpegclientsrc location=http://127.0.0.1:{camera.port}/stream ! tee name=both "
        f"both. ! queue ! mjpegserversink timeout=5000000000 port={ports['http']} "
        f"both. ! queue ! mjpegserversink timeout=5000000000 port={ports['https']} {keys}"
    )
    wait_until("the relay", lambda: healthy(ports["http"]))
    alone = taken(relay)

    stopping, samples = threading.Event(), []
    faults = threading.Thread(target=camera.fault, args=[random.Random(f"{seed} camera"), stopping])
    faults.start()
    visitors = Visitors(ports, seed)
    start = time.monotonic()
    with open(figures, "w") as file:
        while (now := time.monotonic() - start) < minutes * 60 and relay.poll() is None:
            sample = (now, *taken(relay), watching(ports), visitors.came.total(), camera.kills)
            samples.append(sample)
            print(*(f"{value:.2f}" for value in sample), sep="\t", file=file, flush=True)
            time.sleep(1)
    stopping.set()
    visitors.leave()
    faults.join()
    if relay.poll() is not None:
        camera.stop()
        sys.exit(f"soak: the relay ended after {now:.0f} s, status {relay.returncode}")

    wait_until("pictures", lambda: healthy(ports["http"]))
    # Half requests are given ten seconds.
    wait_until("all descriptors to be given back", lambda: taken(relay)[2] <= alone[2])
    left = taken(relay)
    relay.terminate()
    relay.wait()
    camera.stop()

    print(f"{now / 60:.1f} min, seed {seed}: {camera.kills} kills of the camera, {visitors.came.total()} visits, of")
    print("  each kind (with bytes / all):", ", ".join(f"{k} {visitors.served[k]}/{visitors.came[k]}" for k in visitors.came))
    flat = judge(samples)
    print("alone before and after: {:.1f} and {:.1f} MB, {} and {} threads, {} and {} descriptors".format(
        *(value for pair in zip(alone, left) for value in pair)))
    sys.exit(0 if flat else 1)


main()
