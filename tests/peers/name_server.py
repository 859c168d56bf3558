"""A name server: every name has the one address that stands in a file.

usage: name_server.py FILE. Says "ready" when it can be asked, at 127.0.0.1 and port 53.
"""

import socket
import struct
import sys

A, NO_ERROR, TTL_S = 1, 0x8180, 0


def answer(question):
    number, _, questions = struct.unpack(">HHH", question[:6])
    # After the head stand the labels of the name, each after its length, a zero, the type and the class.
    end = question.index(0, 12) + 5
    (kind,) = struct.unpack(">H", question[end - 4 : end - 2])
    with open(sys.argv[1]) as file:
        address = file.read().strip()
    found = kind == A and bool(address)
    reply = struct.pack(">HHHHHH", number, NO_ERROR, questions, int(found), 0, 0) + question[12:end]
    if found:
        # 0xC00C: the name of the question.
        reply += struct.pack(">HHHIH", 0xC00C, A, 1, TTL_S, 4) + socket.inet_aton(address)
    return reply


def main():
    server = socket.socket(type=socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    print("ready", flush=True)
    while True:
        question, asker = server.recvfrom(512)
        server.sendto(answer(question), asker)


if __name__ == "__main__":
    main()
