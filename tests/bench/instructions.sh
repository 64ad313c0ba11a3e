#!/usr/bin/env bash
# instructions.sh <hot_paths> <stored> [--store]: compares the instructions of the hot paths, counted with callgrind, with those
# that are stored, and fails where one has changed by more than kTolerance percent. With --store it stores them instead.
#
# A path is gone so often, and twice as often: the difference is without what starting costs. Times are not looked at, so
# load on the machine does no harm. Counts of another compiler or C library can't be compared: where none are stored for
# these, nothing is compared.
#
# A stored line:  made with <tab> path <tab> main or others <tab> instructions
set -euo pipefail
program=$1 stored=$2 store=${3:-}
kTolerance=5

paths=(cast call large start)
declare -A times=([cast]=20000 [call]=2000 [large]=100 [start]=20)
declare -A called=(
  [cast,main]='a cast, its sender' [cast,others]='a cast, its receiver'
  [call,main]='a call, the caller' [call,others]='a call, the callee'
  [large,main]='a cast of 1 MiB, its sender' [large,others]='a cast of 1 MiB, its receiver'
  [start,main]='start, call, stop: who asks' [start,others]='start, call, stop: the others')

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Which of memcpy's variants the C library takes depends on the processor. These have no wide registers.
export GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-ERMS,-FSRM

# count <path> <times>: instructions of the main actor, and of all others.
count() {
  local main
  rm -f "$folder"/*
  valgrind -q --tool=callgrind --trace-children=yes --callgrind-out-file="$folder/%p" \
    "$program" "$1" "$2" > "$folder/said" 2> "$folder/errors" ||
    { cat "$folder/errors" >&2; echo "hot_paths $1 $2 has failed under callgrind" >&2; return 1; }
  main=$(sed -n 's/^main //p' "$folder/said")
  awk -v main="$main" '
    /^(summary|totals):/ && !(FILENAME in seen) {
      seen[FILENAME] = 1
      if (FILENAME ~ "/" main "$") ours += $2; else theirs += $2
    }
    END { if (!ours) exit 1; print ours, theirs }' "$folder"/[0-9]* ||
    { echo "callgrind has counted nothing of hot_paths $1" >&2; return 1; }
}

madeWith=$("$program" made-with)
if [ "$store" != --store ] && ! grep -qF "$madeWith"$'\t' "$stored"; then
  echo "Not compared: no counts are stored for $madeWith."
  exit
fi

new=$folder.new
trap 'rm -rf "$folder" "$new"' EXIT
{ grep -E '^#' "$stored"; grep -vE '^#' "$stored" | grep -vF "$madeWith"$'\t' || true; } > "$new"
failed=
printf '%-34s %12s %12s\n' 'instructions' 'stored' 'now'
for path in "${paths[@]}"; do
  once=$(count "$path" "${times[$path]}")
  twice=$(count "$path" $((2 * times[$path])))
  read -r onceMain onceOthers <<< "$once"
  read -r twiceMain twiceOthers <<< "$twice"
  for who in main others; do
    if [ $who = main ]; then now=$((twiceMain - onceMain)); else now=$((twiceOthers - onceOthers)); fi
    now=$((now / times[$path]))
    before=$(awk -F'\t' -v m="$madeWith" -v p="$path" -v w=$who '$1 == m && $2 == p && $3 == w { print $4 }' "$stored")
    printf '%-34s %12s %12s\n' "${called[$path,$who]}" "${before:--}" "$now"
    printf '%s\t%s\t%s\t%s\n' "$madeWith" "$path" "$who" "$now" >> "$new"
    [ -n "$before" ] || { failed+="${called[$path,$who]} takes $now instructions; none are stored."$'\n'; continue; }
    [ $((100 * (now > before ? now - before : before - now))) -le $((kTolerance * before)) ] ||
      failed+="${called[$path,$who]} takes $now instructions; stored are $before."$'\n'
  done
done
if [ "$store" = --store ]; then
  cp "$new" "$stored"
  echo "Stored in $stored."
elif [ -n "$failed" ]; then
  printf '%s' "$failed" >&2
  echo "More than $kTolerance % apart. If that is meant, store what they take now: ./dev bench --instructions --store" >&2
  exit 1
fi
