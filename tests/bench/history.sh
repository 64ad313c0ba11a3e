#!/usr/bin/env bash
# history.sh add <file>:   adds what `compare --json` has printed, on standard input, to the file: a line a workload, with
#                          the ratios of all who were compared to the first of them, and of which commit. "+" after
#                          it: with changes that are not committed.
# history.sh trend <file>: prints, of all who were ever compared, the first, the previous and the last ratio.
#
# A line:  date of the commit <tab> commit <tab> workload <tab> who=ratio <tab> who=ratio ...
set -euo pipefail
file=${2:-}

add() {
  local date commit
  date=$(git log -1 --format=%cs)
  commit=$(git rev-parse --short=10 HEAD)
  git diff --quiet HEAD -- :/ ":(top,exclude)$file" || commit+=+
  awk -F'"' -v OFS='\t' -v date="$date" -v commit="$commit" '
    $2 == "workload" && !($4 in ratios) { order[++count] = $4; ratios[$4] = ""; next }
    $2 == "workload" && match($0, /"ratio":[0-9.e+-]+/) {
      ratios[$4] = ratios[$4] OFS $8 "=" substr($0, RSTART + 8, RLENGTH - 8)
    }
    END {
      for (i = 1; i <= count; ++i) if (ratios[order[i]] != "") print date, commit, order[i] ratios[order[i]]
    }' >> "$file"
}

trend() {
  awk -F'\t' '
    BEGIN { printf "%-38s %-34s %10s %10s %10s  since\n", "workload", "who", "first", "previous", "last" }
    /^#/ { next }
    {
      for (i = 4; i <= NF; ++i) {
        split($i, part, "=")
        key = sprintf("%-38s %-34s", $3, part[1])
        if (!(key in first)) { order[++count] = key; first[key] = part[2]; date[key] = $1 }
        previous[key] = last[key]
        last[key] = part[2]
      }
    }
    END {
      for (i = 1; i <= count; ++i) {
        key = order[i]
        printf "%s %10s %10s %10s  %s\n", key, first[key], previous[key] == "" ? "-" : previous[key], last[key], date[key]
      }
    }' "$file"
}

case ${1:-},$# in
  add,2 | trend,2) "$1" ;;
  *) echo "usage: history.sh add|trend <file>" >&2; exit 2 ;;
esac
