"""hostile.py: hostile clients before `tally intercept`, and a site behind it that writes down what it saw: exactly what intercept has counted.

    tests/hostile/hostile.py --tally BIN --cases FILE [--behind h11,node,nginx,haproxy] [--mutations N] [--seed N] [--quick]

Each stream comes from an address of its own (127.x.y.z), whole and in two pieces, through intercept and, for Node, nginx and HAProxy, also directly. Held against
one another, for each stream:

  answers   what the client got from the site = events with the site's status = requests that the site saw whole, in order, method and target
  cut       what the site saw in part: only the last, and it stands in an event without the site's status
  refusals  the site refuses nothing that intercept passes on
  beside    what the site saw whole is how the other parser begins to read the stream by itself: method, target, body, and no header more
  end       every connection ends

Exit 1: something was otherwise; each finding is a line, with the stream.
"""

import argparse
import asyncio
import collections
import itertools
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile

import streams
import upstreams

CONNECTIONS, PATIENCE_S, QUIET_S = 16, 20, 0.2
# What intercept writes itself, or takes away because it is about one connection.
OWN_HEADERS = {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-real-ip", "forwarded", "host", "content-length", "transfer-encoding", "connection", "upgrade"}
# What nginx and HAProxy say when they refuse.
SITES_PAGES = (b"<center>nginx", b"Your browser sent an invalid request", b"The request entity exceeds the maximum allowed")


def address(number):
    """Of stream `number`: none ends with 0 or 255, and 127.0.0.x stays free."""
    return f"127.{1 + number // 62500 % 250}.{number // 250 % 250}.{1 + number % 250}"


class Client:
    def __init__(self, number, name, pieces):
        self.number, self.name, self.pieces, self.from_ = number, name, pieces, address(number)
        self.bytes = b"".join(pieces)
        self.answers, self.ended = b"", False

    async def run(self, port, ends):
        """`ends`: its side, when all is sent; else it goes when nothing has come for a while."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(self.from_, 0))
        try:
            for i, piece in enumerate(self.pieces):
                if i > 0:
                    await asyncio.sleep(0.001)
                writer.write(piece)
                await writer.drain()
            if ends:
                writer.write_eof()
            while data := await asyncio.wait_for(reader.read(65536), PATIENCE_S if ends else QUIET_S):
                self.answers += data
            self.ended = True
        except (ConnectionError, OSError) as error:
            self.ended = not isinstance(error, TimeoutError)
        except asyncio.TimeoutError:
            pass
        finally:
            writer.close()

    def statuses(self):
        return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d\d\d) ", self.answers) if status != b"100"]


async def run_clients(clients, port, ends=True):
    waiting = iter(clients)

    async def worker():
        for client in waiting:
            await client.run(port, ends)

    await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))


class Intercept:
    def __init__(self, tally, folder, site_port):
        self.folder = folder
        self.process = subprocess.Popen([tally, "intercept", "--listen", "127.0.0.1:0", "--upstream", f"http://127.0.0.1:{site_port}", "--data", folder, "--log", "local",
                                         "--partitions", "1", "--log-localhost", "--files", ".none", "--threads", "2"], stderr=subprocess.PIPE, text=True)
        self.said = []
        for line in self.process.stderr:
            self.said.append(line)
            if found := re.search(r"listens.*127\.0\.0\.1:(\d+)", line):
                self.port = int(found[1])
                return
        sys.exit("hostile.py: intercept has not started:\n" + "".join(self.said))

    def stop(self):
        """Its events by the client's address, in order."""
        self.process.send_signal(signal.SIGTERM)
        rest = self.process.stderr.read()
        if self.process.wait() != 0:
            sys.exit(f"hostile.py: intercept has ended with {self.process.returncode}:\n{rest}")
        events = collections.defaultdict(list)
        with sqlite3.connect(os.path.join(self.folder, "log.db")) as log:
            tables = [name for name, in log.execute("SELECT name FROM sqlite_master WHERE name LIKE 'entries_%'")]
            for table in tables:
                for value, in log.execute(f'SELECT value FROM {table} WHERE value IS NOT NULL ORDER BY "offset"'):
                    event = json.loads(value)
                    events[event["ip"]].append(event)
        return events


def by_address(seen):
    requests, refused = collections.defaultdict(list), collections.defaultdict(list)
    for request in seen.requests:
        requests[request.from_].append(request)
    for from_, why in seen.refused:
        refused[from_].append(why)
    return requests, refused


class Findings:
    def __init__(self):
        self.count, self.kinds = 0, collections.Counter()

    def add(self, kind, behind, client, text):
        self.count += 1
        self.kinds[kind] += 1
        if self.kinds[kind] <= 5:
            print(f"hostile.py: {kind} ({behind}): {text}\n    stream {client.name}: {client.bytes[:300]!r}", flush=True)


def site_refused(client):
    return any(page in client.answers for page in SITES_PAGES)


def by_its_policy(client):
    """nginx looks into paths: it takes no %00, no bad escape, and nothing above the root. HAProxy wants a WebSocket's key, and no body with a GET of HTTP/1.0."""
    return re.search(rb"%|\.\.|(?i:websocket)|HTTP/1\.0", client.bytes)


def compare_events(findings, behind, client, whole, cut, events):
    site = [event for event in events if event["status"] == 200]
    own = [event for event in events if event["status"] != 200]
    if [(r.method, r.target) for r in whole] != [(e["method"], e["url"]) for e in site]:
        findings.add("answers", behind, client, f"the site saw {[(r.method, r.target) for r in whole]}, events say {[(e['method'], e['url'], e['status']) for e in events]}")
    if client.statuses().count(200) != len(whole):
        findings.add("answers", behind, client, f"the site saw {len(whole)}, the client got {client.statuses()}")
    if len(cut) > 1 or (cut and (not own or (own[-1]["method"], own[-1]["url"]) != (cut[0].method, cut[0].target))):
        findings.add("cut", behind, client, f"the site saw in part {[(r.method, r.target) for r in cut]}, events say {[(e['method'], e['url'], e['status']) for e in events]}")
    for event in own:
        if event["status"] in (502, 504):
            findings.add("refusals", behind, client, f"{event['method']} {event['url']} has the status {event['status']}")
    if site_refused(client) and not by_its_policy(client):
        findings.add("refusals", behind, client, f"the client got {client.answers!r}")


def compare_beside(findings, behind, beside, client, whole, alone, refuses):
    """`alone`: what the parser `beside` makes of the same bytes. `refuses`: and it says that it takes no more."""
    for mine, other in itertools.zip_longest(whole, alone[:len(whole)]):
        if other is None and (refuses or (alone and alone[-1].last)):
            return  # it reads no more, and we do: h11 keeps no connection of HTTP/1.0
        if beside == "node" and other is not None and not other.complete and re.search(rb"(?is)chunked.*\r\n\r\n.*content-length", client.bytes):
            return  # it refuses a Content-Length among trailers, which we throw away
        if other is None or not other.complete or (mine.method, mine.target, mine.body) != (other.method, other.target, other.body):
            findings.add("beside", behind, client, f"through intercept {(mine.method, mine.target, mine.body)}, {beside} reads {other and (other.method, other.target, other.body, other.complete)}")
            return
        known = {(name.lower(), value.strip()) for name, value in other.headers}
        more = [(name, value) for name, value in mine.headers if name.lower() not in OWN_HEADERS and (name.lower(), value.strip()) not in known]
        if more:
            findings.add("headers", behind, client, f"through intercept also {more}; {beside} reads {other.headers}")
        hosts = [value for name, value in mine.headers if name.lower() == "host"]
        if len(hosts) != 1 or (("host", hosts[0]) not in known and any(name == "host" and value not in ("", "none") for name, value in known)):
            findings.add("headers", behind, client, f"the host is {hosts}; {beside} reads {other.headers}")


def check(findings, behind, clients, seen, events, besides, refusing):
    requests, refused = by_address(seen)
    for from_ in set(requests) - {client.from_ for client in clients}:
        print(f"hostile.py: ({behind}) the site saw requests from {from_!r}, who is nobody: {[(r.method, r.target, r.headers) for r in requests[from_]]}")
        findings.count += 1
    for from_, why in seen.refused:
        print(f"hostile.py: ({behind}) the site refuses what intercept passes on: {why}")
        findings.count += 1
    for client in clients:
        mine = requests.get(client.from_, [])
        whole, cut = [r for r in mine if r.complete], [r for r in mine if not r.complete]
        if not client.ended:
            findings.add("end", behind, client, f"the connection does not end; the client got {client.answers!r}")
        compare_events(findings, behind, client, whole, cut, events.get(client.from_, []))
        for beside, alone in besides.items() if not site_refused(client) else ():
            compare_beside(findings, behind, beside, client, whole, alone.get(client.from_, []), beside != "h11" and client.from_ in refusing)


def clients_of(sources, quick, chance, numbers):
    """Each stream whole and in two pieces; `quick`: in turn the one or the other."""
    for i, (name, data) in enumerate(sources):
        if not quick or i % 2 == 0:
            yield Client(next(numbers), name, [data])
        if len(data) > 1 and (not quick or i % 2 == 1):
            at = chance.randrange(1, len(data))
            yield Client(next(numbers), f"{name}, cut at {at}", [data[:at], data[at:]])


def site_of(behind, folder, direct=False):
    if behind == "h11":
        return upstreams.H11Site()
    return upstreams.NodeSite(direct) if behind == "node" else upstreams.Before(behind, folder, direct)


def run(options, behind, clients, findings):
    with tempfile.TemporaryDirectory() as folder:
        site = site_of(behind, folder)
        intercept = Intercept(options.tally, os.path.join(folder, "data"), site.port)
        asyncio.run(run_clients(clients, intercept.port))
        events = intercept.stop()
        seen = site.stop()
        besides = {"h11": by_address_all(upstreams.h11_alone(c.bytes, c.from_) for c in clients)}
        refusing = set()
        if behind != "h11":
            direct = site_of(behind, folder, True)
            again = [Client(c.number, c.name, c.pieces) for c in clients]
            # HAProxy may leave out what waits for its turn when a client ends his side.
            asyncio.run(run_clients(again, direct.port, behind != "haproxy"))
            besides[behind] = by_address(direct.stop())[0]
            refusing = {client.from_ for client in again if site_refused(client)}
        check(findings, behind, clients, seen, events, besides, refusing)
    whole = sum(r.complete for r in seen.requests)
    print(f"hostile.py: {behind}: {len(clients)} streams, {whole} requests seen whole and {len(seen.requests) - whole} in part", flush=True)


def by_address_all(seens):
    out = {}
    for seen in seens:
        out.update(by_address(seen)[0])
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tally", required=True)
    parser.add_argument("--cases", required=True)
    parser.add_argument("--behind", default="h11,node")
    parser.add_argument("--mutations", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--batch", type=int, default=5000)
    options = parser.parse_args()
    findings, chance = Findings(), random.Random(options.seed)
    behinds = [behind for behind in options.behind.split(",") if behind == "h11" or shutil.which(behind)]
    for behind in set(options.behind.split(",")) - set(behinds):
        print(f"hostile.py: {behind} is not here, and is left out")
    base = list(streams.by_hand()) + list(streams.of_llhttp(options.cases))
    sources = [base]
    more = streams.mutated(base, options.seed)
    while sum(map(len, sources[1:])) < options.mutations:
        sources.append(list(itertools.islice(more, min(options.batch, options.mutations))))
    for source in sources:
        for behind in behinds:
            run(options, behind, list(clients_of(source, options.quick, chance, itertools.count())), findings)
    if findings.count > 0:
        sys.exit(f"hostile.py: {findings.count} findings: {dict(findings.kinds)}")


if __name__ == "__main__":
    main()
