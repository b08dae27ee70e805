#!/usr/bin/env python3
"""metrics_check.py: reads /metrics with the official client's parser and says what is wrong with it (rules_test.c).

metrics_check.py RULES FILE...: each file is one scrape. Beside the form: every sample once, a HELP for each, buckets that ascend to the
count; and each metric that the rules file names is shown by one of the scrapes. Exit status 77: the parser is not here.
"""
import re
import sys

try:
    from prometheus_client.parser import text_string_to_metric_families
except ImportError:
    sys.exit(77)


def histogram_findings(family):
    buckets, counts = {}, {}
    for sample in family.samples:
        labels = {k: v for k, v in sample.labels.items() if k != "le"}
        key = tuple(sorted(labels.items()))
        if sample.name.endswith("_bucket"):
            buckets.setdefault(key, []).append((float(sample.labels["le"]), sample.value))
        elif sample.name.endswith("_count"):
            counts[key] = sample.value
    for key, of_key in buckets.items():
        bounds = [bound for bound, _ in of_key]
        values = [value for _, value in of_key]
        if bounds != sorted(bounds) or values != sorted(values):
            yield f"{family.name}: buckets do not ascend"
        if bounds[-1] != float("inf") or values[-1] != counts.get(key):
            yield f"{family.name}: the last bucket is not the count"


def findings(text, shown):
    seen = set()
    for family in text_string_to_metric_families(text):
        if not family.documentation or family.type == "unknown":
            yield f"{family.name}: without HELP or TYPE"
        if family.type == "histogram":
            yield from histogram_findings(family)
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            if key in seen:
                yield f"{key}: twice"
            seen.add(key)
            shown.add(sample.name)
            if family.type == "counter" and (sample.value < 0 or not sample.name.endswith("_total")):
                yield f"{sample.name}: no counter"


def named_by(rules):
    lines = [line for line in rules.splitlines() if not re.match(r"\s*(#|- name:|summary:|description:)", line)]
    return set(re.findall(r"\b(?:tally|process)_[a-z0-9_]+\b(?!:)", "\n".join(lines)))


def main():
    shown, wrong = set(), []
    for path in sys.argv[2:]:
        with open(path, encoding="utf-8") as file:
            wrong += [f"{path}: {finding}" for finding in findings(file.read(), shown)]
    with open(sys.argv[1], encoding="utf-8") as file:
        named = named_by(file.read())
    wrong += [f"{sys.argv[1]}: {name} is shown by nobody" for name in sorted(named - shown)]
    print(f"{len(shown)} metrics shown, {len(named)} named by the rules")
    print("\n".join(wrong))
    return 1 if wrong or not shown or not named else 0


if __name__ == "__main__":
    sys.exit(main())
