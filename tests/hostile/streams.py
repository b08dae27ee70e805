"""streams.py: what hostile clients send: whole connections, and what becomes of them when their bytes are changed at random."""

import random

GET = b"GET / HTTP/1.1\r\nHost: x.test\r\n"
POST = b"POST /post HTTP/1.1\r\nHost: x.test\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x.test\r\n\r\n"


def by_hand():
    """(name, bytes). Behind most stands a request that nobody must see if what is before it was refused."""
    lengths = [b"5", b"+5", b"-5", b"0x5", b"5, 5", b"5,6", b"5 5", b"", b"05", b"5.0", b"5\x00", b"\x0b5", b"5\x0c", b"99999999999999999999"]
    codings = [b"chunked", b"gzip, chunked", b"chunked, gzip", b"chunked, chunked", b"identity", b"xchunked", b"chunkedx", b"\x0bchunked", b"chunked\x0b",
               b"\"chunked\"", b"chunked;q=1", b"", b"Chunked", b"CHUNKED", b"chunked\t", b"chu\x00nked", b"chunked,", b",chunked", b"identity, chunked"]
    names = [b"Transfer-Encoding ", b"Transfer-Encoding\t", b" Transfer-Encoding", b"Transfer_Encoding", b"Transfer-Encoding\x00", b"Transfer\r\n-Encoding",
             b"X: y\nTransfer-Encoding", b"X: y\rTransfer-Encoding", b"\x0bTransfer-Encoding", b"Transfer-Encoding\xa0"]
    sizes = [b"5", b"05", b"+5", b"-5", b"0x5", b"5 ", b" 5", b"5\t", b"5;a", b"5;a=b", b"5;a=\"b\"", b"5;a=\"\r\n\"", b"5;\n", b"5\x00", b"00000000000000000005",
             b"10000000000000005", b"g", b"", b"5h", b"5 ;a"]
    ends = [b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n\x00", b"", b"\x0b\r\n"]
    targets = [b"/", b"*", b"http://x.test/", b"http://evil.test/", b"x.test:80", b"//evil.test/", b"/a/../b", b"/%2e%2e/", b"/a\\b", b"/a#b", b"/a b", b"/a\tb", b"/a\x00b",
               b"/\xc3\xa9", b"/\xff\xfe", b"/a\r\nX: y", b"/" + b"a" * 9000, b"/" + b"a" * 70000, b"", b"?a", b"/a?b?c", b"/%00", b"/%", b"/<>\"{}|^`"]
    hosts = [b"x.test", b"", b"x.test,evil.test", b"x.test evil.test", b"a@x.test", b"x.test/", b"x.test:80:80", b"x.test:99999", b"[::1]", b"[::1", b"x.test\x00", b"x.test\t",
             b"x.test#", b"\xff", b"127.0.0.1:80", b"x.test:"]
    versions = [b"HTTP/1.0", b"HTTP/0.9", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/1.1 ", b" HTTP/1.1", b"http/1.1", b"HTTP/1.10", b"HTTP/1", b"HTTP/01.1", b"HTTP/1.1\x00", b""]
    methods = [b"GET", b"get", b"HEAD", b"OPTIONS", b"TRACE", b"CONNECT", b"PRI", b"BREW", b"GE\x00T", b"G ET", b" GET", b"\r\nGET", b"\r\n\r\nGET", b"\nGET", b"\rGET", b"DELETE",
               b"PROPFIND", b"QUERY", b"M-SEARCH", b"PURGE"]
    lines = [b"A: b\x00c", b"A: b\x01c", b"A: b\x7fc", b"A: b\r\n c", b"A: b\r\n\tc", b"A:\r\n b", b"A\r\n: b", b": b", b"A", b"A B: c", b"A: \xff\xfe", b"A: \xc3\xa9", b"A:b:c", b"A:", b"A: b\nC: d",
             b"A: b\rC: d", b"A(: b", b"A\x80: b", b"A: " + b"b" * 9000, b"A: " + b"b" * 70000, b"Content-Length: 0\r\nContent-Length: 0", b"Connection: close, Host", b"Connection: Content-Length",
             b"Connection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", b"Upgrade: websocket\r\nConnection: upgrade", b"Expect: 100-continue", b"Expect: 200-ok",
             b"X-Forwarded-For: 1.2.3.4", b"Forwarded: for=1.2.3.4", b"Proxy: http://evil.test/", b"TE: trailers", b"Trailer: Host"]
    for length in lengths:
        yield f"length {length!r}", POST + b"Content-Length: " + length + b"\r\n\r\nhello" + SMUGGLED
        yield f"length {length!r} and 5", POST + b"Content-Length: 5\r\nContent-Length: " + length + b"\r\n\r\nhello" + SMUGGLED
        yield f"length {length!r} and chunked", CHUNKED + b"Content-Length: " + length + b"\r\n\r\n0\r\n\r\n" + SMUGGLED
    for coding in codings:
        yield f"coding {coding!r}", POST + b"Transfer-Encoding: " + coding + b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + SMUGGLED
        yield f"coding {coding!r} behind chunked", CHUNKED + b"Transfer-Encoding: " + coding + b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + SMUGGLED
        yield f"coding {coding!r} before chunked", POST + b"Transfer-Encoding: " + coding + b"\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + SMUGGLED
        yield f"coding {coding!r} in HTTP/1.0", POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: " + coding + b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + SMUGGLED
    for name in names:
        yield f"name {name!r}", POST + b"Content-Length: 35\r\n" + name + b": chunked\r\n\r\n0\r\n\r\n" + SMUGGLED
        yield f"name {name!r} alone", POST + name + b": chunked\r\n\r\n0\r\n\r\n" + SMUGGLED
    for size in sizes:
        yield f"size {size!r}", CHUNKED + b"\r\n" + size + b"\r\nhello\r\n0\r\n\r\n" + SMUGGLED
        yield f"last size {size!r}", CHUNKED + b"\r\n5\r\nhello\r\n" + size.replace(b"5", b"0") + b"\r\n\r\n" + SMUGGLED
    for end in ends:
        yield f"end {end!r} of the first line", GET.replace(b"1.1\r\n", b"1.1" + end) + b"\r\n" + SMUGGLED
        yield f"end {end!r} of a header", GET + b"A: b" + end + b"\r\n" + SMUGGLED
        yield f"end {end!r} of a head", GET + end + SMUGGLED
        yield f"end {end!r} of a size", CHUNKED + b"\r\n5" + end + b"hello\r\n0\r\n\r\n" + SMUGGLED
        yield f"end {end!r} of a chunk", CHUNKED + b"\r\n5\r\nhello" + end + b"0\r\n\r\n" + SMUGGLED
        yield f"end {end!r} of a last size", CHUNKED + b"\r\n5\r\nhello\r\n0" + end + b"\r\n" + SMUGGLED
        yield f"end {end!r} of a trailer", CHUNKED + b"\r\n0\r\nA: b" + end + b"\r\n" + SMUGGLED
        yield f"end {end!r} of trailers", CHUNKED + b"\r\n0\r\nA: b\r\n" + end + SMUGGLED
    for target in targets:
        yield f"target {target[:40]!r}", b"GET " + target + b" HTTP/1.1\r\nHost: x.test\r\n\r\n" + SMUGGLED
    for host in hosts:
        yield f"host {host!r}", b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n" + SMUGGLED
        yield f"second host {host!r}", GET + b"Host: " + host + b"\r\n\r\n" + SMUGGLED
        yield f"host {host!r} in HTTP/1.0", b"GET / HTTP/1.0\r\nHost: " + host + b"\r\nConnection: keep-alive\r\n\r\n" + SMUGGLED
    for version in versions:
        yield f"version {version!r}", b"GET / " + version + b"\r\nHost: x.test\r\n\r\n" + SMUGGLED
    for method in methods:
        yield f"method {method!r}", method + b" / HTTP/1.1\r\nHost: x.test\r\n\r\n" + SMUGGLED
        yield f"method {method!r} with a body", method + b" / HTTP/1.1\r\nHost: x.test\r\nContent-Length: 41\r\n\r\n" + SMUGGLED
    for line in lines:
        yield f"line {line[:40]!r}", GET + line + b"\r\n\r\n" + SMUGGLED
        yield f"line {line[:40]!r} with a body", POST + line + b"\r\nContent-Length: 5\r\n\r\nhello" + SMUGGLED
        yield f"trailer {line[:40]!r}", CHUNKED + b"\r\n0\r\n" + line + b"\r\n\r\n" + SMUGGLED
    yield "no host", b"GET / HTTP/1.1\r\n\r\n" + SMUGGLED
    yield "HTTP/0.9", b"GET /\r\n" + SMUGGLED
    yield "HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SMUGGLED
    yield "TLS", bytes.fromhex("1603010200010001fc0303") + SMUGGLED
    yield "many headers", GET + b"A: b\r\n" * 200 + b"\r\n" + SMUGGLED
    yield "nothing", b""
    yield "half a head", GET
    yield "half a body", POST + b"Content-Length: 9\r\n\r\nhello"
    yield "half a chunk", CHUNKED + b"\r\n9\r\nhello"
    yield "no last chunk", CHUNKED + b"\r\n5\r\nhello\r\n"
    yield "in a row", (GET + b"\r\n") * 5 + POST + b"Content-Length: 5\r\n\r\nhello" + CHUNKED + b"\r\n5\r\nhello\r\n0\r\n\r\n" + GET + b"\r\n"
    yield "expected and sent", POST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello" + SMUGGLED
    yield "more than was said", POST + b"Content-Length: 3\r\n\r\nhello" + SMUGGLED
    yield "closed, and more", GET + b"Connection: close\r\n\r\n" + SMUGGLED


def of_llhttp(path):
    """llhttp's own cases (tests/reference/llhttp_fixtures.py)."""
    with open(path) as table:
        for line in table:
            place, kind, _, _, data, _ = line.rstrip("\n").split("\t")
            if kind == "request":
                yield place, bytes.fromhex(data)


PIECES = [b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b",", b";", b"\x00", b"\x0b", b"0\r\n\r\n", b"\r\n\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: x.test\r\n",
          b"Connection: close\r\n", b"HTTP/1.1", b"HTTP/1.0", b"\xff", SMUGGLED, b"5\r\nhello\r\n", b"Content-Length: 0\r\n", b"Expect: 100-continue\r\n", b"-", b"_", b"chunked", b"GET "]


def mutated(streams, seed):
    """Without an end: streams with some of their bytes left out, doubled, changed, and pieces of others put in."""
    chance = random.Random(seed)
    number = 0
    while True:
        name, data = chance.choice(streams)
        if len(data) > 5000:
            continue
        data = bytearray(data)
        for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
            at = chance.randrange(len(data) + 1)
            kind = chance.randrange(6)
            if kind == 0:
                del data[at:at + chance.choice((1, 1, 2, 8))]
            elif kind == 1:
                data[at:at] = chance.choice(PIECES)
            elif kind == 2 and at < len(data):
                data[at] = chance.randrange(256)
            elif kind == 3:
                data[at:at] = data[at:at + chance.choice((1, 2, 8, 40))]
            elif kind == 4 and at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            else:
                other = chance.choice(streams)[1]
                begin = chance.randrange(len(other) + 1)
                data[at:at] = other[begin:begin + chance.randrange(60)]
        number += 1
        yield f"{number} of seed {seed}, once {name}", bytes(data)
