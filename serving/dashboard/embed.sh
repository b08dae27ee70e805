#!/bin/bash
# embed.sh: the dashboard's files as a C table for serving/assets.c.
#
# serving/dashboard/embed.sh MODULES FOLDER > assets_table.h: the page's files in FOLDER, and what it draws with, in MODULES (npm's node_modules)
set -euo pipefail

modules=$1 folder=$2
# path, content type, file
files="
index.html         text/html        $folder/index.html
sign_in.html       text/html        $folder/sign_in.html
app.css            text/css         $folder/app.css
icon.svg           image/svg+xml    $folder/icon.svg
uplot.js           text/javascript  $modules/uplot/dist/uPlot.iife.min.js
uplot.css          text/css         $modules/uplot/dist/uPlot.min.css
uplot-license.txt  text/plain       $modules/uplot/LICENSE
$(for module in "$folder"/*.js; do echo "$(basename "$module") text/javascript $module"; done)"

rows=
count=0
while read -r path type file; do
    [ -n "$path" ] || continue
    echo "static const unsigned char bytes_${count}[] = {"
    od -An -v -tx1 "$file" | sed 's/ \(..\)/0x\1,/g'
    echo "};"
    rows+="    {\"/$path\", \"$type; charset=utf-8\", bytes_$count, sizeof bytes_$count},"$'\n'
    count=$((count + 1))
done <<<"$files"
echo "static const struct tl_asset assets[] = {"
printf '%s};\n' "$rows"
