"""How conditions on bytes are written: a random source and a value go in, options of a rule come out.

Most conditions hold for the value they are made of; some are made to fail, because that is where a wrong negation shows.
"""
PLAIN = set(range(0x20, 0x7F)) - set(b'"\\;:|')


def escape(b):
    """Bytes as `content` takes them."""
    out, raw = [], []
    for c in b:
        if c in PLAIN:
            if raw:
                out.append("|" + " ".join(raw) + "|")
                raw = []
            out.append(chr(c))
        else:
            raw.append(f"{c:02x}")
    if raw:
        out.append("|" + " ".join(raw) + "|")
    return "".join(out)


def regex(b):
    return "".join(chr(c) if chr(c).isalnum() and c < 128 else f"\\x{c:02x}" for c in b)


def piece(r, v, most=12, least=1):
    """-> (offset, bytes) of a part of `v`."""
    n = min(len(v), r.randint(least, most))
    at = r.randint(0, len(v) - n)
    return at, v[at:at + n]


def absent(r, v):
    """Bytes that look like a part of `v` and are not in it."""
    _, p = piece(r, v)
    for _ in range(9):
        p = p[:-1] + bytes([r.choice(b"zqxkjw0987")]) + r.choice([b"", b"q", b"zz"])
        if p not in v:
            break
    return p


def swapped(p):
    return p.swapcase()


def content(p, *modifiers, negated=False):
    return f'content:{"!" if negated else ""}"{escape(p)}"; ' + "".join(m + "; " for m in modifiers)


def plain(r, v):
    return content(piece(r, v)[1])


def nocase(r, v):
    return content(swapped(piece(r, v)[1]), *(["nocase"] if r.random() < 0.8 else []))


def negated(r, v):
    p = piece(r, v)[1] if r.random() < 0.4 else absent(r, v)
    return content(p, *(["nocase"] if r.random() < 0.3 else []), negated=True)


def placed(r, v):
    at, p = piece(r, v)
    off = r.choice([at, at, at, max(0, at - 2), at + 1])
    how = r.randrange(5)
    neg = r.random() < 0.2
    if how == 0:
        return content(p, f"offset:{off}", negated=neg)
    if how == 1:
        return content(p, f"depth:{max(len(p), at + len(p) + r.choice([-1, 0, 0, 3]))}", negated=neg)
    if how == 2:
        return content(p, f"offset:{off}", f"depth:{len(p) + r.choice([0, 0, 1, 5])}", negated=neg)
    if how == 3:
        start = v[:len(p)] if r.random() < 0.7 else p
        return content(start, "startswith", negated=neg)
    end = v[-len(p):] if r.random() < 0.7 else p
    return content(end, "endswith", negated=neg)


def pair(r, v):
    """Two contents, the second relative to the first."""
    a, p = piece(r, v, 6)
    rest = v[a + len(p):]
    if not rest:
        return plain(r, v)
    b, q = piece(r, rest, 6)
    d, w = r.choice([b, b, max(0, b - 1), b + 1, 0]), b + len(q)
    mods = r.choice([[f"distance:{d}"], [f"within:{max(len(q), w + r.choice([0, 0, -1, 3]))}"],
                     [f"distance:{d}", f"within:{len(q) + r.choice([0, 1, 4])}"], ["distance:0"], [f"distance:-{r.randint(1, 6)}"]])
    if r.random() < 0.15:
        mods.append("nocase")
    return content(p) + content(q, *mods, negated=r.random() < 0.2)


def many(r, v):
    return "".join(r.choice([plain, nocase, negated, placed, pair])(r, v) for _ in range(r.randint(2, 3)))


def pcre(r, v):
    at, p = piece(r, v, 9)
    body = regex(p)
    how = r.randrange(8)
    flags = ""
    if how == 0:
        body, flags = regex(swapped(p)), "i"
    elif how == 1:
        body = "^" + regex(v[:len(p)])
    elif how == 2:
        body = regex(v[-len(p):]) + "$"
    elif how == 3:
        body = regex(p[:1]) + ".{0,8}" + regex(p[-1:])
        flags = r.choice(["", "s"])
    elif how == 4:
        body = "[" + regex(p[:3]) + "]{2,}"
    elif how == 5:
        body = f"({regex(p)}|{regex(absent(r, v))})"
    elif how == 6:
        rest = v[at + len(p):]
        if rest:
            q = piece(r, rest, 4)[1]
            return content(p) + f'pcre:"/{"^" if r.random() < 0.3 else ""}{regex(q)}/R"; '
    else:
        flags = r.choice(["", "m", "s", "A", "E", "G", "x"])
    return f'pcre:{"!" if r.random() < 0.15 else ""}"/{body}/{flags}"; '


def size(r, v):
    n = len(v)
    a, b = max(0, n - r.randint(0, 3)), n + r.randint(0, 3)
    return f"bsize:{r.choice([str(n), str(n), f'!{n}', f'<{b}', f'>{a}', f'{max(0, a - 1)}<>{b + 1}', f'>={n}', f'<={n}'])}; "


def isdataat(r, v):
    n = r.choice([len(v), max(0, len(v) - 1), r.randint(0, len(v) + 3)])
    if r.random() < 0.5:
        return f"isdataat:{r.choice(['', '!'])}{n}; "
    at, p = piece(r, v, 6)
    return content(p) + f"isdataat:{r.choice(['', '!'])}{max(0, len(v) - at - len(p) - r.randint(0, 2))},relative; "


def number(r, v):
    """byte_test, byte_jump, byte_extract, byte_math."""
    n = r.choice([1, 2, 4])
    if len(v) < n + 2:
        return plain(r, v)
    at = r.randint(0, len(v) - n)
    little = r.random() < 0.3
    value = int.from_bytes(v[at:at + n], "little" if little else "big")
    end = ",little" if little else ""
    rel, lead, off = "", "", at
    if at >= 2 and r.random() < 0.4:
        k = r.randint(1, min(4, at))
        lead, rel, off = content(v[at - k:at]), ",relative", 0
    how = r.randrange(6)
    if how < 3:
        op, what = r.choice([("=", value), ("=", value), ("!=", value), (">", max(0, value - 1)), ("<", value + 1), (">=", value),
                             ("<=", value), ("&", value or 1), ("^", value), ("!&", 1), ("!<", value), ("!>", value)])
        mask = f",bitmask 0x{r.choice(['f', '7f', '3f'])}" if r.random() < 0.1 else ""
        return lead + f"byte_test:{n},{op},{min(what, 2 ** 32 - 1)},{off}{rel}{end}{mask}; "
    if how == 3:
        post = r.choice(["", ",align", ",multiplier 2", ",from_beginning", ",post_offset 1"])
        tail = v[off + n:off + n + 3] or b"a"
        return lead + f"byte_jump:1,{off}{rel}{end}{post}; " + r.choice([f"isdataat:{r.randint(0, 9)},relative; ", content(tail, "distance:0")])
    name = f"v{r.randint(0, 999)}"
    if how == 4:
        use = r.choice([f"byte_test:{n},=,{name},{off}; ", content(v[-3:], f"offset:{name}"), f"isdataat:{name}; ",
                        f"byte_test:1,<,{name},0; ", content(v[:2], f"depth:{name}")])
        return lead + f"byte_extract:{n},{off},{name}{rel}{end}; " + use
    op = r.choice(["+", "-", "*", "/", "<<", ">>"])
    return lead + (f"byte_math:bytes 1, offset {off}, oper {op}, rvalue {r.randint(1, 4)}, result {name}{', relative' if rel else ''}; "
                   f"byte_test:1,{r.choice(['=', '<', '>'])},{name},{r.randint(0, 8)}; ")


TRANSFORMS = ("strip_whitespace", "compress_whitespace", "to_lowercase", "to_uppercase", "url_decode", "dotprefix", "to_md5", "to_sha1",
              "to_sha256", 'xor:"0d0ac8ff"', "header_lowercase", "strip_pseudo_headers")


def transformed(r, v):
    import hashlib
    t = r.choice(TRANSFORMS)
    if t.startswith("to_m") or t.startswith("to_s"):
        d = hashlib.new(t[3:], v).digest()
        return f"{t}; " + r.choice([content(d), content(piece(r, d)[1]), content(d, negated=True)])
    w = {"strip_whitespace": bytes(c for c in v if c not in b" \t\r\n\v\f"), "to_lowercase": v.lower(), "to_uppercase": v.upper(),
         "dotprefix": b"." + v, 'xor:"0d0ac8ff"': bytes(c ^ b"\x0d\x0a\xc8\xff"[i % 4] for i, c in enumerate(v))}.get(t, v) or v
    more = r.choice(["", "", "", "to_lowercase; ", "dotprefix; "])
    return f"{t}; {more}" + r.choice([plain, placed, negated, size, isdataat])(r, w)


SHAPES = (plain, plain, nocase, negated, placed, placed, pair, pair, many, pcre, pcre, isdataat, number)


def shaped(r, v, sticky):
    """Conditions on `v`; `sticky`: it is a buffer, not the payload."""
    more = (size, size, transformed, transformed) if sticky else ()
    return r.choice(SHAPES + more)(r, v)
