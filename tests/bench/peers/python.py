"""Python's multiprocessing: a Pipe, and a SimpleQueue one way.

`python.py <workload> <count>` prints the figure.
"""

import multiprocessing
import os
import struct
import sys
import time

WORD = 1 << 64
LARGE_BYTES = 1 << 20


def value_of(i):
    return i * 0x9E3779B97F4A7C15 % WORD


def sum_of(messages):
    return 0x9E3779B97F4A7C15 * (messages * (messages - 1) // 2) % WORD


def message(i):
    return struct.pack("<Q56x", value_of(i))


def echo(connection):
    while True:
        connection.send_bytes(connection.recv_bytes())


def round_trip(count):
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=echo, args=(there,), daemon=True)
    process.start()
    for i in range(count + count // 10):
        if i == count // 10:
            before = time.monotonic()
        sent = message(i)
        here.send_bytes(sent)
        assert here.recv_bytes() == sent, "another answer"
    took = time.monotonic() - before
    process.kill()
    return took * 1e6 / count


def send_all(queue, each, begin):
    begin.wait()
    for i in range(each):
        queue.put(message(i))


def one_way(senders, messages):
    each = messages // senders
    queue = multiprocessing.SimpleQueue()
    begin = multiprocessing.Event()
    processes = [multiprocessing.Process(target=send_all, args=(queue, each, begin)) for _ in range(senders)]
    for process in processes:
        process.start()
    begin.set()
    before = time.monotonic()
    total = 0
    for _ in range(senders * each):
        total += struct.unpack_from("<Q", queue.get())[0]
    took = time.monotonic() - before
    assert total % WORD == senders * sum_of(each) % WORD, "another sum"
    for process in processes:
        process.join()
    return senders * each / took / 1e6


def middle():
    """What a large message has between its ends, which are its number."""
    words = LARGE_BYTES // 8
    return struct.pack("<%dQ" % (words - 2), *(value_of(i) for i in range(1, words - 1)))


def send_large(connection, count):
    words = bytearray(LARGE_BYTES)
    words[8:-8] = middle()
    connection.recv_bytes()
    for i in range(count):
        words[:8] = words[-8:] = struct.pack("<Q", value_of(i))
        connection.send_bytes(words)


def large(count):
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=send_large, args=(there, count))
    process.start()
    expected = middle()
    here.send_bytes(b"begin")
    before = time.monotonic()
    for i in range(count):
        received = here.recv_bytes()
        # All of it is compared: adding up words is slow in Python.
        number = struct.pack("<Q", value_of(i))
        assert received[:8] == number and received[-8:] == number, "another message"
        assert received[8:-8] == expected, "another message"
    took = time.monotonic() - before
    process.join()
    return count * LARGE_BYTES / took / 1e9


WORKLOADS = {
    "round-trip": round_trip,
    "one-way": lambda count: one_way(1, count),
    "four-to-one": lambda count: one_way(4, count),
    "large": large,
}

if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    print(WORKLOADS[sys.argv[1]](int(sys.argv[2])), flush=True)
    os._exit(0)
