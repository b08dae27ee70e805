#!/usr/bin/env python3
"""autobahn_suite.py: the Autobahn test suite against a WebSocket server that echoes.

    autobahn_suite.py prepare FOLDER      the installed suite, written for Python 2, as one for Python 3 into FOLDER (needs lib2to3: Python up to 3.12)
    autobahn_suite.py run FOLDER SERVER     families 1 to 7 and 10 against what SERVER starts: it says its port, and ends with its stdin. Exit status 1
                                            where a case failed

Within the cases a string is what it was in Python 2, bytes: each as the character of its number (latin-1). At the protocol's edge they become bytes.
"""
import glob
import os
import re
import shutil
import subprocess
import sys

CASES = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"]
CASES_MIN = 247  # there are so many
SECONDS_MAX = 100
EDITS = [
    (r'\.encode\((["\'])utf-?8\1\)', r'.encode("utf8").decode("latin-1")'),
    (r'\.decode\((["\'])utf-?8\1\)', r'.encode("latin-1").decode("utf8")'),
    (r"binascii\.b2a_hex\(", r'(lambda s: (s if isinstance(s, bytes) else s.encode("latin-1")).hex())('),
    (r"\(object, Case, ?\)", r"(Case,)"),
    (r"^from zope\.interface import implements$", r"implements = lambda *a: None"),
    (r"len\(self\.payload\) / self\.p", r"len(self.payload) // self.p"),
]
# Whose texts are written with umlauts; behind those.
EDITS_6_2 = [(r'^(\s*PAYLOAD\d? = )(".*")$', r'\1\2.encode("utf8").decode("latin-1")')]


def edit(path, edits):
    with open(path, encoding="utf8") as file:
        text = file.read()
    for pattern, by in edits:
        text = re.sub(pattern, by, text, flags=re.M)
    with open(path, "w", encoding="utf8") as file:
        file.write(text)


def prepare(folder):
    import importlib.util

    package = os.path.join(folder, "autobahntestsuite")
    installed = importlib.util.find_spec("autobahntestsuite").submodule_search_locations[0]
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(installed, package, ignore=shutil.ignore_patterns("__pycache__"))
    # What imports Python 2's modules, and is not needed.
    with open(os.path.join(package, "__init__.py"), "w", encoding="utf8") as file:
        file.write("from ._version import __version__\nversion = __version__\n")
    subprocess.run([sys.executable, "-W", "ignore", "-m", "lib2to3", "-w", "-n", package], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for path in glob.glob(os.path.join(package, "case", "*.py")):
        edit(path, EDITS + (EDITS_6_2 if os.path.basename(path).startswith("case6_2_") else []))


def to_bytes(value):
    return value.encode("latin-1") if isinstance(value, str) else value


def to_text(value):
    return value.decode("latin-1") if isinstance(value, (bytes, bytearray)) else value


def wrap_protocol():
    from autobahn.websocket.protocol import WebSocketProtocol
    from autobahn.websocket.utf8validator import Utf8Validator

    def wrap(name, places):
        inner = getattr(WebSocketProtocol, name)

        def outer(self, *args, **named):
            args = tuple(to_bytes(arg) if i in places else arg for i, arg in enumerate(args))
            if named.get("payload_len"):  # of which the payload is only what is repeated; with Python 2's division
                size = named.pop("payload_len")
                named["payload"] = (named["payload"] * (size // len(named["payload"]) + 1))[:size]
            named = {n: to_bytes(v) if n in ("payload", "mask", "data", "reasonUtf8") else v for n, v in named.items()}
            return inner(self, *args, **named)

        setattr(WebSocketProtocol, name, outer)

    validate = Utf8Validator.validate
    Utf8Validator.validate = lambda self, text: validate(self, to_bytes(text))
    for name, places in (("sendFrame", (1,)), ("sendMessage", (0,)), ("sendPing", (0,)), ("sendPong", (0,)), ("sendMessageFrame", (0,)),
                         ("sendMessageFrameData", (0,)), ("sendCloseFrame", ())):
        wrap(name, places)


def count_frame(self, head, *_):
    self.txFrameStats[head.opcode] = self.txFrameStats.get(head.opcode, 0) + 1


def wrap_suite(fuzzing, results):
    protocol = fuzzing.FuzzingProtocol
    on_message, on_pong = protocol.onMessage, protocol.onPong
    fuzzing.binLogData = lambda data, maxlen=64: ""
    fuzzing.asciiLogData = lambda data, maxlen=64, replace=False: to_text(data)[:maxlen]
    protocol.logRxOctets = protocol.logTxOctets = protocol.logRxFrame = lambda self, *_: None
    protocol.logTxFrame = count_frame
    protocol.onMessage = lambda self, message, binary: on_message(self, to_text(message), binary)
    protocol.onPong = lambda self, payload: on_pong(self, to_text(payload))
    fuzzing.FuzzingFactory.createReports = lambda self, *_, **__: None
    fuzzing.FuzzingFactory.logCase = lambda self, case: results.__setitem__(case["id"], case)


def run(folder, program):
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        failed = run_cases(folder, int(server.stdout.readline()))
        server.stdin.close()
        if server.wait(30) != 0:
            print(f"autobahn: {program} has ended with {server.returncode}")
            failed = True
    return failed


def run_cases(folder, port):
    import contextlib
    import io
    import warnings

    warnings.simplefilter("ignore")
    sys.path[:0] = [folder, os.path.join(folder, "autobahntestsuite")]
    import txaio

    txaio.use_twisted()
    from twisted.internet import reactor

    wrap_protocol()
    import autobahntestsuite.fuzzing as fuzzing

    results = {}
    wrap_suite(fuzzing, results)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        fuzzing.startClient({"servers": [{"agent": "tally", "url": f"ws://127.0.0.1:{port}/"}], "cases": CASES, "exclude-cases": [],
                             "exclude-agent-cases": {}})
        reactor.callLater(SECONDS_MAX, reactor.stop)
        reactor.run()
    good = [case for case in results.values()
            if case["behavior"] in ("OK", "NON-STRICT", "INFORMATIONAL") and case["behaviorClose"] in ("OK", "INFORMATIONAL")]
    for name, case in results.items():
        if case not in good:
            print(name, case["behavior"], case["behaviorClose"], case["result"], case["resultClose"])
    strict = sum(case["behavior"] == "OK" for case in good)
    print(f"autobahn: {len(results)} cases: {strict} as they should be, {len(good) - strict} non-strict or informational, "
          f"{len(results) - len(good)} failed")
    return len(results) < CASES_MIN or len(good) != len(results)


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare(sys.argv[2])
    else:
        sys.exit(run(sys.argv[2], sys.argv[3]))
