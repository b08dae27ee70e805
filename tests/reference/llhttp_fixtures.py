"""llhttp_fixtures.py: llhttp's own test cases, out of the source package of aiohttp, as a table that http1_fixtures_test.c reads.

    tests/reference/llhttp_fixtures.py FOLDER        writes FOLDER/cases.tsv

Columns: place (file:line of its heading, as llhttp's own runner names it), kind (request, response, head: a response to HEAD), strictness (strict,
lenient, none: the case is about no message that there is), verdict, the bytes in hexadecimal, and what llhttp 9.4 says of them, in hexadecimal, as http1_feed.h writes it in its plain form. Verdicts: "refused" (an error),
"taken", and "open" (the case ends otherwise: by a pause before another protocol, or because of "Connection: close").

A request of HTTP/1.1 without a Host gets one, for it would be refused for that alone, and nothing else be seen.
"""

import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile

PACKAGE = "aiohttp==3.14.5"
SHA256 = "5558a7f5a05af9ecf744af91e5baefc436f93c9333e656c27ec253f9a6bbe178"
TESTS = "vendor/llhttp/test/"
INSERTED = b"Host: inserted.test\r\n"
CLOSED_CONNECTION, PAUSED, PAUSED_UPGRADE, PAUSED_H2_UPGRADE = 5, 21, 22, 23


def fetch(folder):
    """The source package, unbuilt; its sum is pinned."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "--no-binary", ":all:", "-d", folder, PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True)
    archives = list(pathlib.Path(folder).glob("*.tar.gz"))
    if not archives:
        sys.exit(f"llhttp_fixtures.py: pip has not brought {PACKAGE}:\n{done.stdout}{done.stderr}")
    got = hashlib.sha256(archives[0].read_bytes()).hexdigest()
    if got != SHA256:
        sys.exit(f"llhttp_fixtures.py: {archives[0].name} is not what was pinned: sha256 {got}")
    return archives[0]


def files(archive):
    with tarfile.open(archive) as tar:
        for member in sorted(tar.getmembers(), key=lambda m: m.name):
            inner = member.name.partition("/")[2]
            if re.fullmatch(re.escape(TESTS) + r"(request|response)/[a-z-]+\.md", inner):
                yield inner[len(TESTS):-len(".md")], tar.extractfile(member).read().decode()


def input_bytes(text):
    """As llhttp's md-test.ts makes bytes of the text."""
    text = text.removesuffix("\n")
    text = re.sub(r"\\(\r\n|\r|\n)", "", text)
    text = re.sub(r"\r\n|\r|\n", "\r\n", text)
    for escape, byte in (("\\r", "\r"), ("\\n", "\n"), ("\\t", "\t"), ("\\f", "\f")):
        text = text.replace(escape, byte)
    text = re.sub(r"\\x([0-9a-fA-F]+)", lambda m: chr(int(m[1], 16)), text)
    text = re.sub(r"\\([0-7]{1,3})", lambda m: chr(int(m[1], 8)), text)
    text = re.sub(r"\$\{'(.+?)'\.repeat\((\d+)\)\}", lambda m: m[1] * int(m[2]), text)
    return text.encode()


class Reading:
    """What a log says, message by message; only messages whose head is complete count."""

    def __init__(self, kind, data, log):
        self.kind, self.data, self.heard, self.verdict, self.insertions = kind, data, b"", "taken", []
        self.begin()
        self.in_body = False
        for line in log.rstrip("\n").split("\n"):
            self.take(line.replace("\\t", "\t").replace("\\f", "\f"))

    def begin(self):
        self.spans, self.headers, self.after_version = {}, [], None

    def take(self, line):
        match = re.match(r"off=(\d+) (?:len=(\d+) )?(.*)", line, re.S)
        if not match:
            return
        at, size, what = int(match[1]), int(match[2] or 0), match[3]
        span = re.match(r"span\[(\w+)\]", what)
        if span:
            self.span(span[1], self.data[at:at + size])
        elif what == "message begin":
            self.begin()
        elif what == "version complete":
            self.after_version = at
        elif what == "header_field complete" and not self.in_body:
            self.headers[-1].append(b"")
        elif what == "header_value complete" and not self.in_body:
            self.headers[-1].append(b"done")
        elif what.startswith("headers complete"):
            self.head(what)
        elif what == "message complete":
            self.heard += b"]\n"
            self.in_body = False
        elif what.startswith("error"):
            code = int(re.search(r"code=(\d+)", what)[1])
            if code not in (PAUSED,):
                self.verdict = "open" if code in (CLOSED_CONNECTION, PAUSED_UPGRADE) else "refused"

    def span(self, name, text):
        if name == "body":
            self.heard += text
        elif name == "header_field" and not self.in_body:
            if self.headers and len(self.headers[-1]) == 1:
                self.headers[-1][0] += text
            else:
                self.headers.append([text])
        elif name == "header_value" and not self.in_body:
            self.headers[-1][1] += text
        else:
            self.spans[name] = self.spans.get(name, b"") + text

    def head(self, what):
        headers = [(h[0], (h[1] if len(h) > 1 else b"").strip(b" \t")) for h in self.headers]
        if self.kind == "request":
            self.heard += self.spans["method"] + b" " + self.spans.get("url", b"")
            if self.spans.get("version") == b"1.1" and not any(name.lower() == b"host" for name, _ in headers):
                self.insert_host()
        else:
            self.heard += re.search(r"status=(\d+)", what)[1].encode() + b" " + self.spans.get("status", b"")
        for name, value in headers:
            self.heard += b"|" + name + b":" + value
        self.heard += b"\n["
        self.in_body = True

    def insert_host(self):
        at = self.after_version + 2
        if self.data[at - 2:at] == b"\r\n" and self.data[at:at + 1] not in (b" ", b"\t"):
            self.insertions.append(at)

    def bytes(self):
        """With a Host where there was none; also in the message that the log breaks off in."""
        data = self.data
        if self.kind == "request" and not self.in_body and self.spans.get("version") == b"1.1" and self.after_version is not None:
            if b"host:" not in self.data[self.after_version:].lower():
                self.insert_host()
        for at in sorted(set(self.insertions), reverse=True):
            data = data[:at] + INSERTED + data[at:]
        return data


def cases(name, text):
    heading = 0
    lines = text.split("\n")
    meta, block, blocks = None, None, {}
    for number, line in enumerate(lines, 1):
        if block is not None:
            if line == "```":
                block = None
            else:
                blocks[block] += line + "\n"
            if block is None and "log" in blocks and meta is not None:
                yield f"{name}:{heading}", meta, blocks["http"], blocks["log"]
                meta, blocks = None, {}
        elif line.startswith("#"):
            heading = number
        elif match := re.match(r"<!-- meta=(\{.*\}) -->", line):
            meta = json.loads(match[1])
        elif line in ("```http", "```log"):
            block = line[3:]
            blocks[block] = ""


def main(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    with tempfile.TemporaryDirectory() as work, open(folder / "cases.new", "w") as out:
        for name, text in files(fetch(work)):
            for place, meta, http, log in cases(name, text):
                kind, _, lenient = meta["type"].partition("-")
                reading = Reading(kind, input_bytes(http), log)
                strict = "lenient" if lenient else "strict"
                if meta.get("skipBody"):  # what HEAD is answered with; requests have no such thing
                    kind, strict = "head", "strict" if kind == "response" else "none"
                print(place, kind, strict, reading.verdict, reading.bytes().hex(), reading.heard.hex(), sep="\t", file=out)
                count += 1
    if count != 251:
        sys.exit(f"llhttp_fixtures.py: {count} cases were found in {PACKAGE}, and 251 (166 requests, 85 responses) are there")
    (folder / "cases.new").rename(folder / "cases.tsv")


if __name__ == "__main__":
    main(sys.argv[1])
