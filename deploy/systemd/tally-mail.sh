#!/bin/sh
# tally-mail.sh: mails what a unit said in the run that has just failed. tally-mail@.service calls it; copy it to /usr/local/lib/tally.
#
# tally-mail.sh UNIT
#
# systemd (251 and later) says which run it was, and how it ended, in MONITOR_INVOCATION_ID and MONITOR_EXIT_STATUS; without them it is the unit's last words.
set -eu

unit=$1
if [ -n "${MONITOR_INVOCATION_ID:-}" ]; then
    set -- "_SYSTEMD_INVOCATION_ID=$MONITOR_INVOCATION_ID"
else
    set -- --unit="$unit" --lines=200
fi
journalctl --sync || true # what it said last may still be on its way
{
    printf 'To: %s\n' "${MAILTO:-root}"
    printf 'Subject: %s: %s has ended with status %s\n' "$(uname -n)" "$unit" "${MONITOR_EXIT_STATUS:-?}"
    printf 'MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n\n'
    journalctl --quiet --no-pager --output=cat "$@"
} | sendmail -t
