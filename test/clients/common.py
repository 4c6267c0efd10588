"""What the Python clients share: the data, the exact answer, the report, the formats.

Every client prints "ok WHAT" or "not ok WHAT"; ../t/long/600_clients.pl counts.
"""

import struct
import time

ROWS = [(i, [((i * (d + 3) * 7919) % 1009) / 8 for d in range(8)]) for i in range(1, 501)]
QUERY = [40.0 + d for d in range(8)]
# one value of each type, as text
VALUES = ("[1,2.5,-3]", "[0.5,-2,65504]", "{1:1.5,5:-2}/5", "10110001")


def nearest(n):
    return [i for _, i in sorted((sum((x - q) ** 2 for x, q in zip(v, QUERY)), i) for i, v in ROWS)[:n]]


def check(what, got, expected):
    print("ok" if got == expected else "not ok", what)
    if got != expected:
        print(f"# got {got!r}, expected {expected!r}")


def text(v):
    return "[" + ",".join(repr(float(x)) for x in v) + "]"


def from_text(s):
    return [float(x) for x in s.strip("[]").split(",")]


def watch(status):
    """The status of an index, from a function that gives (status, m), when it is ready again."""
    while True:
        row = tuple(status())
        if row[0] in ("ready", "failed"):
            return row
        time.sleep(0.02)


class Vector:
    """vector or halfvec in binary: dimensions, 0, coordinates ("f" or "e")."""

    kind = "f"

    def __init__(self, x):
        self.x = [float(c) for c in x]

    def __eq__(self, other):
        return type(self) is type(other) and self.x == other.x

    def __repr__(self):
        return f"{type(self).__name__}({self.x})"

    def binary(self):
        return struct.pack(f">hh{len(self.x)}{self.kind}", len(self.x), 0, *self.x)

    @classmethod
    def from_binary(cls, data):
        (n,) = struct.unpack_from(">h", data)
        return cls(struct.unpack_from(f">{n}{cls.kind}", data, 4))


class HalfVector(Vector):
    kind = "e"


class SparseVector:
    """sparsevec in binary: dimensions, count, 0, indices from 0, coordinates."""

    def __init__(self, n, entries):
        self.n, self.entries = n, dict(entries)

    def __eq__(self, other):
        return type(self) is type(other) and (self.n, self.entries) == (other.n, other.entries)

    def __repr__(self):
        return f"SparseVector({self.n}, {self.entries})"

    def binary(self):
        k = len(self.entries)
        return struct.pack(f">iii{k}i{k}f", self.n, k, 0, *self.entries.keys(), *self.entries.values())

    @classmethod
    def from_binary(cls, data):
        n, k, _ = struct.unpack_from(">iii", data)
        return cls(n, zip(struct.unpack_from(f">{k}i", data, 12), struct.unpack_from(f">{k}f", data, 12 + 4 * k)))
