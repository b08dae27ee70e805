#!/usr/bin/env python3
"""live_check.py URL KINDS STEP...: holds what a running server pushes, over a WebSocket and as server-sent events, against its own openapi.json.

Listens, runs each STEP in a shell, and validates every message that comes until there was one of each kind, and of KINDS. The views are those of serve_live_test.c.
"""

import base64
import json
import os
import socket
import struct
import subprocess
import sys
import urllib.parse

import jsonschema_rs
from openapi_check import ask, resolved, schema_in

SECONDS = 20


def head_of(stream):
    status = int(stream.readline().split()[1])
    headers = {}
    while (line := stream.readline().strip()):
        name, value = line.decode().split(":", 1)
        headers[name.lower()] = value.strip()
    return status, headers


def connect(base, path, headers):
    url = urllib.parse.urlsplit(base)
    sock = socket.create_connection((url.hostname, url.port), timeout=SECONDS)
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {url.netloc}\r\n{headers}\r\n".encode())
    stream = sock.makefile("rb")
    return sock, stream, *head_of(stream)


HANDSHAKE = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n"


class WebSocket:
    def __init__(self, base):
        self.sock, self.stream, status, headers = connect(base, "/api/v1/live", HANDSHAKE.format(base64.b64encode(os.urandom(16)).decode()))
        assert status == 101 and headers["upgrade"] == "websocket", (status, headers)

    def say(self, message):
        text = json.dumps(message).encode()
        size = struct.pack("!B", 0x80 | len(text)) if len(text) < 126 else struct.pack("!BH", 0x80 | 126, len(text))
        self.sock.sendall(b"\x81" + size + bytes(4) + text)  # masked with zeros

    def hear(self):
        first, size = struct.unpack("!BB", self.stream.read(2))
        assert first == 0x81, hex(first)
        if size > 125:
            size = struct.unpack("!H" if size == 126 else "!Q", self.stream.read(2 if size == 126 else 8))[0]
        return json.loads(self.stream.read(size))


class Events:
    def __init__(self, base, query):
        _, self.stream, status, headers = connect(base, f"/api/v1/live/sse?{query}", "")
        assert status == 200 and headers["content-type"] == "text/event-stream", (status, headers)
        self.text = b""

    def hear(self):
        while True:
            while b"\n\n" not in self.text:
                size = int(self.stream.readline(), 16)
                assert size > 0, "the stream has ended"
                self.text += self.stream.read(size)
                self.stream.readline()
            event, self.text = self.text.split(b"\n\n", 1)
            fields = dict(line.split(b": ", 1) for line in event.split(b"\n") if not line.startswith(b":"))
            if b"data" in fields:
                message = json.loads(fields[b"data"])
                assert int(fields.get(b"id", -1)) == message.get("seq", -1), event
                return message


def kinds(message):
    """What there is to see in it."""
    yield "stale" if "stale" in message else message["type"]
    if message["type"] == "changes":
        yield from (change["op"] for change in message["rows"])
        yield from ("published" for _ in message.get("published", []))


def expect(listener, validator, *wanted):
    left = set(wanted)
    while left:
        try:
            message = listener.hear()
        except TimeoutError:
            raise AssertionError(f"{type(listener).__name__}: no {left}") from None
        errors = list(validator.iter_errors(message))
        assert not errors, f"{json.dumps(message)}: {errors[0].message} at {list(errors[0].instance_path)}"
        left -= set(kinds(message))


def expect_refusal(document, base, headers, want):
    _, stream, status, got = connect(base, "/api/v1/live", headers)
    assert status == want, (headers, status)
    response = resolved(document, document["paths"]["/api/v1/live"]["get"]["responses"][str(status)])
    kind = got["content-type"]
    jsonschema_rs.validate(schema_in(document, response["content"][kind]["schema"]), json.loads(stream.read(int(got["content-length"]))))
    assert all(name.lower() in got for name in response.get("headers", {})), got


def main():
    base, more, steps = sys.argv[1], sys.argv[2].split(), sys.argv[3:]
    document = json.loads(ask(f"{base}/openapi.json")[3])
    live, sse = (document["paths"][path]["get"] for path in ("/api/v1/live", "/api/v1/live/sse"))
    validator = jsonschema_rs.validator_for(schema_in(document, live["x-server-messages"]), validate_formats=True)
    requests = jsonschema_rs.validator_for(schema_in(document, live["x-client-messages"]), validate_formats=True)
    data = jsonschema_rs.validator_for(schema_in(document, sse["responses"]["200"]["content"]["text/event-stream"]["x-event-data"]), validate_formats=True)
    expect_refusal(document, base, "", 426)
    expect_refusal(document, base, HANDSHAKE.format("short"), 400)
    expect_refusal(document, base, HANDSHAKE.format("dGhlIHNhbXBsZSBub25jZQ==") + "Origin: https://evil.example\r\n", 403)
    websocket = WebSocket(base)
    for message in (
        {"type": "ping"},
        {"type": "subscribe", "id": "hits", "view": "hits"},
        {"type": "subscribe", "id": "few", "view": "hits", "where": ["n:eq:1"], "from": "2024-03-01T00:00:00Z", "last": 10},
        {"type": "subscribe", "id": "seen", "view": "seen"},
        {"type": "subscribe", "id": "quiet", "view": "quiet"},
        {"type": "subscribe", "id": "old", "view": "hits", "since": 0},
        {"type": "subscribe", "id": "none", "view": "hitz"},
        {"type": "unsubscribe", "id": "old"},
    ):
        requests.validate(message)
        websocket.say(message)
    expect(websocket, validator, "pong", "snapshot", "error")
    websocket.say({"type": "subscribe", "id": "old", "view": "hits", "since": 0})
    expect(websocket, validator, "resync")
    hits, seen = Events(base, "view=hits"), Events(base, "view=seen&id=s")
    expect(hits, data, "snapshot")
    expect(seen, data, "snapshot")
    for step in steps:
        subprocess.run(step, shell=True, check=True, stdout=subprocess.DEVNULL)
    expect(websocket, validator, "upsert", "delete", "correct", "published", "events", "status", *more)
    expect(hits, data, "upsert", "correct", "published")
    expect(seen, data, "events")
    print("openapi.json and what is pushed agree")


if __name__ == "__main__":
    main()
