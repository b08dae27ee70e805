"""upstreams.py: sites that write down what they see: one on h11, Node's, and nginx and HAProxy before the one on h11."""

import json
import os
import selectors
import socket
import subprocess
import threading

import h11


class Request:
    """What a site saw. `from_`: the client's address, by X-Forwarded-For. `last`: the site reads no more from that connection."""

    def __init__(self, from_, method, target, headers, body=b"", complete=False, last=False):
        self.from_, self.method, self.target, self.headers, self.body, self.complete, self.last = from_, method, target, headers, body, complete, last


class Seen:
    def __init__(self):
        self.requests, self.refused = [], []  # in order; (from, why)


def h11_parser():
    return h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)


class H11Connection:
    """One connection; also without a socket, for what h11 makes of bytes by itself."""

    def __init__(self, seen, peer, send):
        self.http, self.seen, self.peer, self.send, self.request, self.open = h11_parser(), seen, peer, send, None, True

    def receive(self, data):
        try:
            self.http.receive_data(data)
            while self.open and self.step():
                pass
        except h11.RemoteProtocolError as error:
            self.open = False
            if "peer unexpectedly closed" not in str(error) and "peer closed connection" not in str(error):
                self.seen.refused.append((self.peer, str(error)))

    def between(self):
        """Nothing of another request has come."""
        return (self.request is None or self.request.complete) and self.http.trailing_data[0] == b""

    def step(self):
        event = self.http.next_event()
        if event in (h11.NEED_DATA, h11.PAUSED):
            return False
        if isinstance(event, h11.Request):
            headers = [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in event.headers.raw_items()]
            sent = [value for name, value in headers if name.lower() == "x-forwarded-for"]
            self.request = Request(sent[0] if self.send and sent else self.peer, event.method.decode(), event.target.decode("latin-1"), headers)
            self.seen.requests.append(self.request)
            if self.http.they_are_waiting_for_100_continue:
                self.out(h11.InformationalResponse(status_code=100, headers=[]))
        elif isinstance(event, h11.Data):
            self.request.body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            self.request.complete = True
            self.answer()
        elif isinstance(event, h11.ConnectionClosed):
            self.open = False
        return True

    def answer(self):
        status = 405 if self.request.method == "CONNECT" else 200  # 200 would open a tunnel
        self.out(h11.Response(status_code=status, headers=[("Content-Length", "2")]))
        if self.request.method != "HEAD":
            self.out(h11.Data(data=b"ok"))
        self.out(h11.EndOfMessage())
        if self.http.our_state is h11.DONE and self.http.their_state is h11.DONE:
            self.http.start_next_cycle()
        else:
            self.open, self.request.last = False, True

    def out(self, event):
        data = self.http.send(event)
        if self.send and data:
            self.send(data)


def h11_alone(stream, from_):
    """What h11 makes of a client's bytes, and of an empty line before a request what RFC 9112 (2.2) does: nothing."""
    seen = Seen()
    connection = H11Connection(seen, from_, None)
    at, step = 0, 1 if len(stream) < 2000 else len(stream)
    while at < len(stream) and connection.open:
        if connection.between() and stream[at:at + 2] == b"\r\n":
            at += 2
        connection.receive(stream[at:at + step])
        at += step
    if connection.open:
        connection.receive(b"")
    return seen


class H11Site:
    """On a thread of its own."""

    def __init__(self):
        self.seen = Seen()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.listener.getsockname()[1]
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.wake, self.woken = socket.socketpair()
        self.selector.register(self.woken, selectors.EVENT_READ)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.woken:
                    return
                if key.fileobj is self.listener:
                    client, peer = self.listener.accept()
                    self.selector.register(client, selectors.EVENT_READ, H11Connection(self.seen, peer[0], client.sendall))
                else:
                    self.read(key.fileobj, key.data)

    def read(self, client, connection):
        try:
            data = client.recv(65536)
            connection.receive(data)
        except OSError:
            data = b""
        if not data or not connection.open:
            self.selector.unregister(client)
            client.close()

    def stop(self):
        self.wake.close()
        self.thread.join()
        self.selector.close()
        self.listener.close()
        self.woken.close()
        return self.seen


class NodeSite:
    """`direct`: clients come to it themselves."""

    def __init__(self, direct):
        script = os.path.join(os.path.dirname(__file__), "upstream.js")
        self.process = subprocess.Popen(["node", script, *(["direct"] if direct else [])], stdout=subprocess.PIPE, text=True)
        self.port = json.loads(self.process.stdout.readline())["port"]
        self.lines = []
        self.thread = threading.Thread(target=lambda: self.lines.extend(self.process.stdout), daemon=True)
        self.thread.start()

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.thread.join()
        seen = Seen()
        for line in map(json.loads, self.lines):
            if "refused" in line:
                seen.refused.append((line["from"], line["refused"]))
                continue
            headers = list(zip(line["headers"][::2], line["headers"][1::2]))
            seen.requests.append(Request(line["from"], line["method"], line["target"], headers, bytes.fromhex(line["body"]), line["complete"], line["last"]))
        return seen


NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    client_max_body_size 0; proxy_http_version 1.1; proxy_request_buffering off; proxy_ignore_client_abort on; large_client_header_buffers 4 64k; keepalive_requests 100000;
    map $http_host $its_host {{ "" none; default $http_host; }}
    upstream site {{ server 127.0.0.1:{site}; keepalive 16; }}
    server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://site; proxy_set_header Host $its_host; proxy_set_header Connection ""; {forwarded} }} }}
}}
"""
HAPROXY = """
global
    log stderr local0 emerg
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend in
    bind 127.0.0.1:{port}
    {forwarded}
    default_backend site
backend site
    server site 127.0.0.1:{site}
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Before:
    """nginx or HAProxy before a site on h11. `direct`: clients come to it themselves, and it says who they are."""

    def __init__(self, program, folder, direct):
        self.site, self.port = H11Site(), free_port()
        folder = os.path.join(folder, f"{program}_{self.port}")
        os.makedirs(folder)
        path = os.path.join(folder, "conf")
        forwarded = {"nginx": "proxy_set_header X-Forwarded-For $remote_addr;", "haproxy": "http-request set-header X-Forwarded-For %[src]"}[program]
        with open(path, "w") as conf:
            conf.write({"nginx": NGINX, "haproxy": HAPROXY}[program].format(folder=folder, site=self.site.port, port=self.port, forwarded=forwarded if direct else ""))
        self.process = subprocess.Popen([program, *(["-p", folder, "-c"] if program == "nginx" else ["-db", "-f"]), path])
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                break
            except OSError:
                if self.process.poll() is not None:
                    raise RuntimeError(f"{program} has not started") from None

    def stop(self):
        self.process.terminate()
        self.process.wait()
        return self.site.stop()
