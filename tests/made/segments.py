"""TCP sessions that went wrong: packets lost, twice, out of order, with other flags, numbers, stamps and bytes. Out: segments
(side, sequence number, acknowledgment, flags, data, stamp)."""
from wire import ACK, FIN, PSH, RST, SYN

PORT = 4444
STEPS = [-1, 1, -5, 5, -1000, 1000, 70000, 1 << 31]
FLAGS = [0, SYN, SYN | ACK, ACK, PSH | ACK, FIN, FIN | ACK, RST, RST | ACK, 0x29, 0x3F, 0x30, SYN | RST]


def session(r):
    """A session as it should be."""
    at, stamps, ops = [100000, 500000], [1000, 5000] if r.random() < 0.4 else None, []

    def add(side, flags, data=b""):
        ops.append([side, at[side], at[1 - side] if flags & ACK else 0, flags, data, stamps and stamps[side]])
        at[side] += len(data) + (flags & (SYN | FIN) != 0)
        if stamps:
            stamps[side] += 1
    add(0, SYN)
    add(1, SYN | ACK)
    add(0, ACK)
    for _ in range(r.randrange(6)):
        side = r.randrange(2)
        add(side, PSH | ACK, bytes(r.randrange(97, 123) for _ in range(r.randrange(1, 40))))
        if r.random() < 0.8:
            add(1 - side, ACK)
    end, side = r.randrange(4), r.randrange(2)
    if end < 2:
        add(side, FIN | ACK)
        if r.random() < 0.7:
            add(1 - side, ACK)
        add(1 - side, FIN | ACK)
        add(side, ACK)
    elif end == 2:
        add(side, r.choice([RST, RST | ACK]))
    return ops


def disturb(r, ops):
    what, i = r.randrange(8), r.randrange(len(ops))
    if what == 0:
        ops.insert(r.randrange(i, len(ops) + 1), list(ops[i]))
    elif what == 1:
        del ops[i]
    elif what == 2:
        j = r.randrange(len(ops))
        ops[i], ops[j] = ops[j], ops[i]
    elif what in (3, 4):
        ops[i][what - 2] += r.choice(STEPS)
    elif what == 5:
        ops[i][3] = r.choice(FLAGS)
    elif what == 6 and ops[i][5] is not None:
        ops[i][5] += r.choice([-1, -100, -100000, 100000, 1 << 31])
    elif what == 7:
        ops.insert(r.randrange(len(ops) + 1), [*ops[i][:3], r.choice([SYN, SYN | ACK, RST, RST | ACK, FIN, FIN | ACK]), b"", ops[i][5]])


def cases(r):
    ops = session(r)
    for _ in range(r.randrange(4)):
        if ops:
            disturb(r, ops)
    return ops
