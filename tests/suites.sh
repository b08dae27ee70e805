#!/bin/bash
# suites.sh: runs test programs in turn, prints the closing line of each, and fails when one fails or has run no test.
#
# tests/suites.sh [VARIANT-LABEL] BUILD-DIR PROGRAM...     (the Makefile calls it; TALLY_BIN names the program under test)
# A choice of tests can be handed on in CRITERION_ARGS, such as CRITERION_ARGS='--filter=table/*'. The log of each program has the time of each test.
set -euo pipefail

label=
if [ ! -d "$1" ]; then
    label=" ($1)"
    shift
fi
build=$1
shift
if [ $# -eq 0 ]; then
    echo "suites.sh: no test program to run" >&2
    exit 1
fi

# The sanitizers stop at the first finding; a halt in a test's process is a crash that Criterion counts.
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0:exitcode=99}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
export TSAN_OPTIONS="${TSAN_OPTIONS:-halt_on_error=1:exitcode=99:suppressions=$PWD/tests/support/thread.supp}"

# Where the servers are (make servers).
if [ -f build/servers.env ]; then
    set -a
    # shellcheck disable=SC1091
    . build/servers.env
    set +a
fi

read -r -a criterion_args <<<"${CRITERION_ARGS:-}"
failed=()
for program in "$@"; do
    name=$(basename "$program")
    log=$build/$name.log
    started=$SECONDS
    status=0
    case $name in
    replay_*)
        "$program" "tests/fuzz/corpus/${name#replay_}" >"$log" 2>&1 || status=$?
        closing=$(tail -n 1 "$log")
        count=$(sed -n 's/^replayed \([0-9]*\) .*/\1/p' "$log")
        ;;
    *)
        # Tests wait for processes, servers and clocks more than they work.
        CRITERION_JOBS=$((2 * $(nproc))) "$program" "${criterion_args[@]}" >"$log" 2>&1 || status=$?
        closing=$(grep 'Synthesis:' "$log" | tail -n 1 || true)
        count=$(sed -n 's/.*Tested: *\([0-9]*\).*/\1/p' <<<"$closing")
        ;;
    esac
    if [ "$status" -eq 0 ] && [ "${count:-0}" -eq 0 ]; then
        status=1
        closing="no test has run"
    fi
    if [ "$status" -ne 0 ]; then
        failed+=("$log")
        grep -v '^\[PASS\]' "$log" || true
    else
        # What was left out must be seen, with its reason; and what another suite says of itself that one of the tests has run.
        grep -E '^(\[SKIP\]|autobahn: )' "$log" || true
    fi
    printf '%s%s: %s [exit %d, %d s]\n' "$name" "$label" "${closing:-no closing line}" "$status" $((SECONDS - started))
done
# Once more at the end, where the tail of a long log is all that is read.
for log in "${failed[@]}"; do
    echo "failed in $(basename "$log" .log):"
    grep -E '^\[(FAIL|----)\]' "$log" | head -n 60 || true
done
exit $((${#failed[@]} > 0))
