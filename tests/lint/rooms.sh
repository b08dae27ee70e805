#!/bin/bash
# rooms.sh: reads the #include lines and says where one goes against the one way (base <- event <- sql <- core and so on).
#
# It also checks that a file's first line names it, and that no two files share a name. Exit 1 with one line a finding.
set -euo pipefail
cd "$(dirname "$0")/../.."

# room: the rooms it may include from. main may use all of common; a layer uses common and itself, never another layer.
allowed='
base    base
event   base event
sql     base event sql
core    base event sql core
log     base event log
store   base event store
master  base event master
net     base event net
main    base event sql core log store master net main
speed_layer  base event sql core log store master net main speed_layer
batch_layer  base event sql core log store master net main batch_layer
serving      base event sql core log store master net main serving
'
# A folder may not be there yet.
mapfile -t product < <(find common speed_layer batch_layer serving -maxdepth 0 2>/dev/null)
mapfile -t everything < <(find common speed_layer batch_layer serving tests deploy -maxdepth 0 2>/dev/null)

findings=0
finding() {
    echo "rooms: $*" >&2
    findings=1
}

while read -r file; do
    case $file in
    common/*/*)
        room=${file#common/}
        room=${room%%/*}
        ;;
    *) room=${file%%/*} ;;
    esac
    may=$(awk -v room="$room" '$1 == room { $1 = ""; print $0 " " }' <<<"$allowed")
    if [ -z "$may" ]; then
        finding "$file: '$room' is no room that this script knows"
        continue
    fi
    while IFS=: read -r line include; do
        case $include in
        */*) other=${include%%/*} ;;
        *)
            [ -e "$(dirname "$file")/$include" ] || finding "$file:$line: \"$include\" does not say its room"
            continue
            ;;
        esac
        [[ $may == *" $other "* ]] || finding "$file:$line: $room may not include \"$include\"; it may use:$may"
    done < <(sed -nE 's/^[[:space:]]*#[[:space:]]*include[[:space:]]+"([^"]+)".*/\1/; T; =; p' "$file" | paste -d: - -)
done < <(find "${product[@]}" -type f \( -name '*.[ch]' -o -name '*.cpp' -o -name '*.re' -o -name '*.y' \) | sort)

while read -r file; do
    name=$(basename "$file")
    first=$(head -n 1 "$file")
    [[ $first == *"$name:"* ]] || finding "$file:1: the first line does not say '$name: ...'"
done < <(find "${everything[@]}" -type f \( -name '*.[ch]' -o -name '*.cpp' -o -name '*.re' -o -name '*.y' \) | sort)

while read -r name; do
    finding "'$name' is the name of several files: $(find . -path ./build -prune -o -path ./.git -prune -o -type f -name "$name" -print | tr '\n' ' ')"
done < <(find "${everything[@]}" -type f \( -name '*.[ch]' -o -name '*.cpp' -o -name '*.re' -o -name '*.y' -o -name '*.sh' \) \
    -printf '%f\n' | sort | uniq -d)

exit $findings
