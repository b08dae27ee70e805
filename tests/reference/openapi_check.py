#!/usr/bin/env python3
"""openapi_check.py URL VIEW...: holds a running server against its own openapi.json.

First each resource is asked for as a program would, and the answer validated against the schema of its status. Then Schemathesis makes requests of its own, good and
bad ones, of all operations, and once more of rows of the first view. What a column is called no schema can say, so a request that is right by the schema may be
refused (positive_data_acceptance is left out); that it is refused as the file says is checked. What is pushed is live_check.py's.
"""

import json
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import jsonschema_rs

HERE = Path(__file__).parent
EXAMPLES, SECONDS = 20, 8


def ask(url, accept="application/json"):
    try:
        answer = urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=20)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.headers.get_content_type(), answer.headers, answer.read()


def resolved(document, item):
    if "$ref" not in item:
        return item
    at = document
    for key in item["$ref"].split("/")[1:]:
        at = at[key]
    return at


def schema_in(document, schema):
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "components": document["components"]}


def check(document, base, path, query, want):
    name = next(p for p in sorted(document["paths"], key=lambda p: "{" in p) if matches(p, path))
    responses = document["paths"][name]["get"]["responses"]
    status, kind, headers, body = ask(f"{base}{path}{'?' + query if query else ''}")
    where = f"{path}?{query}: {status}"
    assert status == want, f"{where}, not {want}: {body[:500]}"
    response = resolved(document, responses[str(status)])
    assert kind in response["content"], f"{where}: {kind}"
    for header in response.get("headers", {}):
        assert header in headers or header in ("Tally-Stale", "Tally-Boundary", "Tally-More", "Link"), f"{where}: no {header}"
    if kind.endswith(("/json", "+json")):
        schema = schema_in(document, response["content"][kind]["schema"])
        errors = list(jsonschema_rs.validator_for(schema, validate_formats=True).iter_errors(json.loads(body)))
        assert not errors, f"{where}: {errors[0].message} at {list(errors[0].instance_path)}"


def matches(pattern, path):
    left, right = pattern.split("/"), path.split("/")
    return len(left) == len(right) and all(a == b or a.startswith("{") for a, b in zip(left, right))


def schemathesis(base, *more, lines=""):
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "schemathesis.toml")
        config.write_text((lines + (HERE / "schemathesis.toml").read_text()))
        run = subprocess.run(
            [Path(sys.executable).with_name("st"), "--config-file", config, "run", f"{base}/openapi.json", "--no-color", "--seed", "1", "--max-examples", str(EXAMPLES),
             "--max-time", str(SECONDS), "--phases", "examples,coverage,fuzzing", "--exclude-checks", "positive_data_acceptance", "--generation-database", "none", *more],
            cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert run.returncode == 0, run.stdout


def main():
    base, views = sys.argv[1], sys.argv[2:]
    document = json.loads(ask(f"{base}/openapi.json")[3])
    jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": document["components"]["schemas"]})
    for view in views:
        for query in ("", "limit=1", "layer=speed", "layer=batch", "order=-_end_ms"):
            check(document, base, f"/api/v1/views/{urllib.parse.quote(view)}", query, 200)
    for path, query, want in (
        ("/api/v1/views", "", 200), ("/api/v1/runs", "", 200), ("/api/v1/runs/1", "", 200), ("/api/v1/runs/99", "", 404), ("/api/v1/checks", "history=5", 200),
        ("/api/v1/reconciliations", "", 200), ("/api/v1/reconciliations/1", "", 200), ("/api/v1/reconciliations/99", "", 404), ("/api/v1/status", "", 200),
        (f"/api/v1/views/{views[0]}", "bucket=1d", 200), (f"/api/v1/views/{views[0]}", "format=csv", 200), (f"/api/v1/views/{views[0]}", "format=ndjson", 200),
        (f"/api/v1/views/{views[0]}", "where=nix:eq:1", 400), ("/api/v1/views/nix", "", 404),
        ("/api/v1/live", "", 426), ("/api/v1/live/sse", "view=nix", 404), ("/api/v1/live/sse", f"view={views[0]}&where=nix:eq:1", 400),
    ):
        check(document, base, path, query, want)
    schemathesis(base, "--exclude-path", "/api/v1/live/sse")
    schemathesis(base, "--include-path", "/api/v1/live/sse", lines='[parameters]\n"query.view" = "nix"\n\n')  # a stream has no end; a refusal has
    schemathesis(base, "--include-name", "GET /api/v1/views/{view}", lines=f'[parameters]\n"path.view" = "{views[0]}"\n\n')
    print("openapi.json and the server agree")


if __name__ == "__main__":
    main()
