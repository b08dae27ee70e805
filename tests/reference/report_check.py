#!/usr/bin/env python3
"""report_check.py: reads what `tally reconcile` wrote in each format with parsers that are not ours, and says where they tell different things.

report_check.py DIR MARK: DIR has report.json, .txt, .csv, .md and .html of one reconciliation; texts from events have MARK in them. JSON is what the
others are held against. Beside the form: text from events is text everywhere (in no formula, no link, no markup, no script), and what is cut is said.
Exit status 77: a parser is not here.
"""
import base64
import csv
import hashlib
import html.parser
import io
import json
import re
import sys
import xml.etree.ElementTree

try:
    import fastjsonschema
    import markdown_it
except ImportError:
    sys.exit(77)

COLUMNS = (
    "record text view verdict window_start window_end key cause missing_in events topic partition offset row event_time event_id speed batch difference "
    "recomputed_speed recomputed_batch groups equal explained unexplained pending proved left_out"
).split()
TAGS = set(
    "html head meta title style body main h1 h2 h3 p ul li br code span table caption thead tbody tr th td div details summary figure figcaption "
    "svg desc g rect line text blockquote strong".split()
)
ATTRIBUTES = set(
    "lang charset http-equiv content name id class role tabindex aria-label aria-labelledby scope viewbox x y x1 x2 y1 y2 width height style".split()
)


def safe(text):
    """As the report writes text from outside for people."""
    if text and all(" " < c < "\x7f" and c not in '"\\=,' for c in text):
        return text

    def one(c):
        if c < " " or "\x7f" <= c < "\xa0" or "\u2028" <= c <= "\u202e" or "\u2066" <= c <= "\u2069":
            return f"\\u{ord(c):04x}"
        return "\\" + c if c in '"\\' else c

    return '"' + "".join(map(one, text)) + '"'


def shown(value):
    return safe(value) if isinstance(value, str) and not re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", value) else json.dumps(value)


def key_text(unit):
    return " ".join(f"{name}={shown(value)}" for name, value in (unit["key"] or {}).items())


class Page(html.parser.HTMLParser):
    """Tags, the cells of each table, and which text stands in code."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.ids, self.open = set(), set(), [], []
        self.tables, self.in_code, self.elsewhere, self.labels, self.style, self.policy = [], [], [], [], "", ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        attrs = dict(attrs)
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.labels += attrs.get("aria-labelledby", "").split()
        if attrs.get("http-equiv") == "Content-Security-Policy":
            self.policy = attrs["content"]
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in ("meta", "br"):
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data):
        (self.in_code if "code" in self.open else self.elsewhere).append(data)
        if "style" in self.open:
            self.style += data
        if self.tables and self.tables[-1] and self.tables[-1][-1] and ("td" in self.open or "th" in self.open):
            self.tables[-1][-1][-1] += data

    def table(self, head):
        for table in self.tables:
            if table and [cell.strip() for cell in table[0]][: len(head)] == head:
                return table[1:]
        return []


def check_csv(raw, report):
    text = raw.decode("utf-8")
    assert text.endswith("\r\n")
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert rows[0] == COLUMNS, rows[0]
    assert all(len(row) == len(COLUMNS) for row in rows), [len(row) for row in rows]
    # As a spreadsheet may read it, whatever it takes for the separator.
    for separator in ",;\t":
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            for cell in row:
                plain = cell.strip("\ufeff\u00a0 \t\r\n\x0b\x0c\x1b")
                assert not re.match(r"[=+\-@\uff1d\uff0b\uff0d\uff20]", plain) or re.fullmatch(r"-?\d+", plain), (separator, cell)

    def plain(cell):
        blank = "[\\x00- \x7f\u00a0\ufeff]*"
        return re.sub(f"((?:^|[;\t\r\n]){blank})'", r"\1", cell)

    def of(record):
        return [dict(zip(COLUMNS, row)) for row in rows[1:] if row[0] == record]

    assert [plain(row["text"]) for row in of("note")] == report["notes"]
    assert len(of("cut")) == is_cut(report)
    (summary,) = of("summary")
    assert summary["text"] == report["headline"]
    for name in ("groups", "equal", "explained", "unexplained", "pending"):
        assert summary[name] == str(report["summary"][name]), name
    assert summary["proved"] == ("" if report["summary"]["proved"] is None else str(report["summary"]["proved"]))
    assert summary["left_out"] == str(report["units_left_out"])
    assert [(row["view"], row["proved"]) for row in of("view")] == [
        (view["name"], "" if view["proved"] is None else str(view["proved"])) for view in report["views"]
    ]
    assert [(row["cause"], int(row["events"]), int(row["left_out"])) for row in of("cause")] == [
        (detail["cause"], detail["events"], detail["samples_left_out"]) for detail in report["cause_details"]
    ]
    samples = [(detail["cause"], sample) for detail in report["cause_details"] for sample in detail["samples"]]
    assert len(of("event")) == len(samples)
    for row, (cause, sample) in zip(of("event"), samples):
        assert plain(row["cause"]) == cause
        for name in ("view", "topic", "event_time", "event_id"):
            assert plain(row[name]) == (sample[name] or ""), (row, sample)
        for name in ("partition", "offset", "row"):
            assert int(row[name]) == sample[name]
    for name in ("refused_by_both", "counted_by_both"):
        assert {row["cause"]: int(row["events"]) for row in of(name)} == report[name], name
    units = iter(of("unit"))
    for unit in report["units"]:
        for cause in unit["causes"] or [None]:
            row = next(units)
            assert row["verdict"] == ("pending" if unit["pending"] else unit["verdict"])
            assert json.loads(row["key"]) == unit["key"], (row["key"], unit["key"])
            for side in ("speed", "batch"):
                assert (json.loads(row[side]) if row[side] else None) == unit[side]
                made = row["recomputed_" + side]
                assert (json.loads(made) if made else None) == unit.get("recomputed", {}).get(side)
            assert row["cause"] == (cause["cause"] if cause else "") and row["events"] == (str(cause["events"]) if cause else "")
    assert next(units, None) is None
    if report["by"]:
        values = [(view["view"], value) for view in report["by"]["views"] for value in view["values"]]
        assert len(of("by")) == len(values)
        for row, (view, value) in zip(of("by"), values):
            assert row["view"] == view and json.loads(row["key"]) == {report["by"]["column"]: value["value"]}
            for side in ("speed", "batch", "difference"):
                assert json.loads(row[side]) == {name: sums[side] for name, sums in value["sums"].items()}
        assert [int(row["left_out"]) for row in of("by_others")] == [
            view["others"]["values"] for view in report["by"]["views"] if view["others"]["values"]
        ]
        assert [row["view"] for row in of("by_without")] == report["by"]["views_without"]


def is_cut(report):
    return bool(
        report["units_left_out"]
        or report["checks_left_out"]
        or any(detail["samples_left_out"] for detail in report["cause_details"])
        or any(view["others"]["values"] for view in (report["by"] or {"views": []})["views"])
    )


def check_cut(name, text, report):
    listed, cut = len(report["units"]), report["units_left_out"]
    want = f"({listed:,} of {listed + cut:,}; --limit shows more)"
    assert (want in text) == (cut > 0), f"{name}: {want}"
    assert ("Lists end at --limit" in text) == is_cut(report), name


def check_tables(name, page, report):
    """What tables of Markdown and HTML have in common."""
    units = page.table(["view", "window" if name == "markdown" else "window (UTC)", "key"])
    assert [row[2] for row in units] == [key_text(unit) for unit in report["units"]], (name, [row[2] for row in units])
    assert [row[0] for row in units] == [unit["view"] for unit in report["units"]]
    for row, unit in zip(units, report["units"]):
        assert len(row) == 6 and ("unexplained" in row[5]) == (unit["verdict"] == "unexplained"), row
    views = page.table(["view", "compared up to"])
    assert [row[0] for row in views] == [view["name"] for view in report["views"]]
    for row, view in zip(views, report["views"]):
        assert [int(cell.replace(",", "")) for cell in row[2:]] == [
            view[count] for count in ("groups", "equal", "explained", "unexplained", "pending", "proved") if view[count] is not None
        ]
    causes = page.table(["cause", "events", "meaning", "what to do"])
    assert [(row[0], int(row[1].replace(",", ""))) for row in causes] == [(d["cause"], d["events"]) for d in report["cause_details"]]
    for row, detail in zip(causes, report["cause_details"]):
        assert row[2:] == [detail["meaning"].replace("`", ""), detail["what_to_do"].replace("`", "")], row
    for view in report["by"]["views"] if report["by"] else []:
        if view["values"]:
            table = [row for row in page.table([report["by"]["column"], "groups"])]
            assert [row[0] for row in table][: len(view["values"])] == [shown(value["value"]) for value in view["values"]], table
            break


def check_markdown(text, report, mark):
    page = Page(markdown_it.MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough").render(text))
    assert page.tags <= TAGS, page.tags - TAGS
    assert mark not in "".join(page.elsewhere), "text from events outside of code"
    assert not re.search(r"@|https?:|www\.", "".join(page.elsewhere))
    check_tables("markdown", page, report)
    check_cut("markdown", "".join(page.elsewhere), report)


def figures(page, head):
    return [[int(cell.replace(",", "")) for cell in row[1:]] for row in page.table(head)]


def check_html(text, report, mark):
    page = Page(text)
    assert not page.open, page.open
    assert page.tags <= TAGS, page.tags - TAGS
    assert page.attributes <= ATTRIBUTES and "style" not in page.attributes, page.attributes - ATTRIBUTES
    assert len(page.ids) == len(set(page.ids)) and set(page.labels) <= set(page.ids)
    assert not re.search(r"url\(|@import|https?:|//", page.style), "something from outside"
    digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    assert "default-src 'none'" in page.policy and f"style-src 'sha256-{digest}'" in page.policy, page.policy
    tree = xml.etree.ElementTree.fromstring(text.removeprefix("<!DOCTYPE html>"))
    for svg in tree.iter("svg"):
        assert svg.get("role") == "img" and svg.find("title").text and svg.find("desc").text
    for table in tree.iter("table"):
        assert table.find("caption") is not None and all(th.get("scope") for th in table.iter("th"))
    assert mark not in "".join(page.elsewhere), "text from events outside of code"
    check_tables("html", page, report)
    check_cut("html", "".join(page.elsewhere), report)
    steps = [[step[name] for name in ("explained", "pending", "unexplained")] for step in report["timeline"]["steps"]]
    if any(map(sum, steps)):
        assert figures(page, ["from (UTC)", "explained"]) == steps
    late = [[step["events"]] for step in report["lateness"]["steps"]]
    if any(map(sum, late)):
        assert figures(page, ["behind the watermark", "events"]) == late
    assert len(list(tree.iter("svg"))) == any(map(sum, steps)) + any(map(sum, late)) + bool(report["cause_details"])


def check_json(report):
    """As the schema says, and counts that must agree with each other."""
    with open("serving/report.schema.json", encoding="utf-8") as file:
        fastjsonschema.validate(json.load(file), report)
    summary = report["summary"]
    assert summary["groups"] == summary["equal"] + summary["explained"] + summary["unexplained"]
    steps = report["timeline"]["steps"]
    assert len(steps) <= 60
    assert sum(step["unexplained"] for step in steps) == summary["unexplained"]
    assert sum(step["explained"] + step["pending"] for step in steps) == summary["explained"]
    assert len(report["units"]) + report["units_left_out"] == summary["explained"] + summary["unexplained"]
    assert {detail["cause"]: detail["events"] for detail in report["cause_details"]} == report["causes"]
    for detail in report["cause_details"]:
        assert len(detail["samples"]) + detail["samples_left_out"] == detail["events"]
    late = [detail["events"] for detail in report["cause_details"] if re.match("late_|session_", detail["cause"])]
    counted = sum(step["events"] for step in report["lateness"]["steps"]) + report["lateness"]["unknown"]
    assert max(late, default=0) <= counted <= sum(late), (counted, late)
    for view in report["by"]["views"] if report["by"] else []:
        of = next(other for other in report["views"] if other["name"] == view["view"])
        for name in ("explained", "unexplained"):
            assert sum(value[name] for value in view["values"] + [view["others"]]) == of[name], (view, of)


def check_text(text, report):
    assert all(c == "\n" or " " <= c for c in text) and not re.search("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]", text)
    lines = text.split("\n")
    notes = report["notes"]
    assert lines[: len(notes)] == ["note: " + note for note in notes] and lines[len(notes)] == report["headline"]
    check_cut("text", text, report)
    for detail in report["cause_details"]:
        assert detail["meaning"] in text and "what to do: " + detail["what_to_do"] in text


def main():
    folder, mark = sys.argv[1:]
    raw = {}
    for kind in ("json", "txt", "csv", "md", "html"):
        with open(f"{folder}/report.{kind}", "rb") as file:
            raw[kind] = file.read()
    report = json.loads(raw["json"])
    check_json(report)
    check_text(raw["txt"].decode(), report)
    check_csv(raw["csv"], report)
    check_markdown(raw["md"].decode(), report, mark)
    check_html(raw["html"].decode(), report, mark)


if __name__ == "__main__":
    main()
