#!/bin/bash
# fuzz.sh: libFuzzer on one target after another, FUZZ_SECONDS (30) each, until one has a finding.
#
# tests/fuzz/fuzz.sh BUILD-DIR TARGET...     (the Makefile calls it)
# What is found on the way is kept in BUILD-DIR/corpus/TARGET, which the next run begins with; a finding too: crash-..., timeout-..., oom-... .
set -euo pipefail

build=$1
shift
# A fifth of the time went into freed memory that is set aside, 256 MiB unless told.
export ASAN_OPTIONS="quarantine_size_mb=8:${ASAN_OPTIONS:-}"
for target in "$@"; do
    corpus=$build/corpus/$target
    seeds=tests/fuzz/corpus/$target
    mkdir -p "$corpus" "$seeds"
    options=(-max_total_time="${FUZZ_SECONDS:-30}" -timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=256 -print_final_stats=1 -verbosity=0)
    [ ! -f "tests/fuzz/$target.dict" ] || options+=(-dict="tests/fuzz/$target.dict")
    case $target in
    # Long inputs cost time and show nothing that short ones do not.
    sql | checks | json_event | window | function | http1 | websocket) options+=(-max_len=4096) ;;
    esac
    echo "  FUZZ $target"
    "$build/$target" "${options[@]}" -artifact_prefix="$corpus/" "$corpus" "$seeds"
done
