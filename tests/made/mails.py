"""Dialogues of SMTP with one thing out of the ordinary each. Out: (name, turns)."""

PORT = 25
MAIL = [(0, b"MAIL FROM:<a@b>\r\n"), (1, b"250 ok\r\n"), (0, b"RCPT TO:<c@d>\r\n"), (1, b"250 ok\r\n")]
DATA = MAIL + [(0, b"DATA\r\n"), (1, b"354 go\r\n")]
DONE = [(1, b"250 done\r\n"), (0, b"QUIT\r\n"), (1, b"221 bye\r\n")]
PARTS = b"Subject: x\r\nContent-Type: multipart/mixed; boundary=\"bb\"\r\n\r\n"
PART = PARTS + b"--bb\r\n"

MESSAGES = {
    "plain": b"Subject: x\r\n\r\nbody", "no header": b"just text", "no colon": b"Subject: x\r\nnonsense\r\n\r\nbody", "long line": b"Subject: x\r\n\r\n" + b"y" * 1200,
    "long name of a field": b"N" * 100 + b": x\r\n\r\nbody", "long value": b"X: " + b"v" * 3000 + b"\r\n\r\nbody",
    "long value in lines": b"X: " + b"\r\n ".join([b"v" * 900] * 3) + b"\r\n\r\nbody",
    "base64 in long lines": PART + b"Content-Type: application/x; name=\"a.bin\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b"QUJD" * 60 + b"\r\n--bb--",
    "base64": PART + b"Content-Type: application/x; name=\"a.bin\"\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD\r\n--bb--",
    "quoted-printable that is none": PART + b"Content-Type: text/plain; name=\"a.txt\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=zz b=\r\n--bb--",
    "quoted-printable in long lines": PART + b"Content-Type: text/plain; name=\"a.txt\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + b"a" * 300 + b"\r\n--bb--",
    "long file name": PART + b"Content-Disposition: attachment; filename=\"" + b"f" * 400 + b"\"\r\n\r\nx\r\n--bb--",
    "empty boundary": b"Content-Type: multipart/mixed; boundary=\"\"\r\n\r\nx", "a colon first": b": x\r\n\r\nbody", "a space before the colon": b"Subject : x\r\n\r\nbody",
    "a header alone": b"Subject: x", "parts": PART + b"Content-Type: text/plain\r\n\r\nx\r\n--bb--", "no parts": PARTS + b"x",
    "parts without an end": PART + b"Content-Type: text/plain\r\n\r\nx", "an end in a part's header": PART + b"Content-Type: text/plain",
    "text behind the parts": PART + b"Content-Type: text/plain\r\n\r\nx\r\n--bb--\r\ntrailing", "a line without a colon in a part": PART + b"garbage\r\nContent-Type: text/plain\r\n\r\nx\r\n--bb--",
}
DIALOGUES = {
    "a reply that is none": [(0, b"NOOP\r\n"), (1, b"garbage\r\n")], "replies to nothing": [(1, b"250 extra\r\n"), (1, b"250 more\r\n")],
    "a long command": [(0, b"NOOP " + b"x" * 600 + b"\r\n"), (1, b"250 ok\r\n")], "a long reply": [(0, b"NOOP\r\n"), (1, b"250 " + b"x" * 600 + b"\r\n")],
    "TLS and a command": [(0, b"STARTTLS\r\nMAIL FROM:<a@b>\r\n"), (1, b"220 go\r\n250 ok\r\n")], "no data": MAIL + [(0, b"DATA\r\n"), (1, b"554 no\r\n")],
    "two senders": MAIL[:2] + [(0, b"MAIL FROM:<x@y>\r\n"), (1, b"503 no\r\n")], "bytes that are no text": [(0, b"\1\2\3\r\n"), (1, b"500 ?\r\n")],
    "reset": MAIL[:2] + [(0, b"RSET\r\n"), (1, b"250 ok\r\n")], "data twice": MAIL + [(0, b"DATA\r\n"), (0, b"DATA\r\n"), (1, b"354 go\r\n")],
    "a second name": [(0, b"EHLO y\r\n"), (1, b"250 ok\r\n")], "a second name after a mail": DATA + [(0, b"a: b\r\n\r\nc\r\n.\r\n"), (1, b"250 ok\r\n"), (0, b"EHLO y\r\n"), (1, b"250 ok\r\n")],
    "no name": [(0, b"HELO\r\n"), (1, b"250 ok\r\n")], "a chunk": MAIL + [(0, b"BDAT 7 LAST\r\nhello\r\n"), (1, b"250 ok\r\n"), (0, b"QUIT\r\n")],
    "a chunk without a line end": MAIL + [(0, b"BDAT 5 LAST\r\nhello"), (1, b"250 ok\r\n"), (0, b"QUIT\r\n"), (1, b"221 x\r\n")],
    "more than the chunk": MAIL + [(0, b"BDAT 5 LAST\r\nhello world\r\n"), (1, b"250 ok\r\n")], "a huge chunk": MAIL + [(0, b"BDAT 99999999999\r\n"), (1, b"250 ok\r\n")],
    "no such chunk": MAIL + [(0, b"BDAT x LAST\r\n"), (1, b"250 ok\r\n")], "a reply of two digits": [(0, b"NOOP\r\n"), (1, b"25\r\n")],
    "a reply without a space": [(0, b"NOOP\r\n"), (1, b"250ok\r\n")], "login": [(0, b"AUTH LOGIN\r\n"), (1, b"334 VXNlcm5hbWU6\r\n"), (0, b"dXNlcg==\r\n"), (1, b"235 ok\r\n")],
}
EARLY = b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: x\r\n\r\nb\r\n.\r\n"


def begun(turns, offer=b"250 ok\r\n"):
    return [(1, b"220 x ESMTP\r\n"), (0, b"EHLO me\r\n"), (1, offer)] + turns


def cases():
    for name, message in MESSAGES.items():
        yield "mail: " + name, begun(DATA + [(0, message + b"\r\n.\r\n")] + DONE)
    for name, turns in DIALOGUES.items():
        yield name, begun(turns)
    for code in range(190, 600):
        yield f"reply {code}", begun([(0, b"NOOP\r\n"), (1, b"%d x\r\n" % code)])
    for code in (421, 450, 500, 501, 502, 550, 554):
        yield f"TLS refused by {code}", begun([(0, b"STARTTLS\r\n"), (1, b"%d no\r\n" % code)])
    for code in (220, 250, 354, 421, 450, 500, 550):
        yield f"the client begins, {code}", [(0, b"EHLO a\r\n"), (1, b"%d x\r\n" % code), (0, b"NOOP\r\n"), (1, b"250 ok\r\n")]
    replies = (1, b"250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n")
    yield "all at once, as offered", begun([(0, EARLY), replies], b"250-x\r\n250 PIPELINING\r\n")
    yield "all at once, not offered", begun([(0, EARLY), replies])
