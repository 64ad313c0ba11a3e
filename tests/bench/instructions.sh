#!/usr/bin/env bash
# instructions.sh <hot_paths> <stored> [--store]: compares the instructions of the hot paths, counted with callgrind, with
# those that are stored, and fails where one takes more than kTolerance percent more. With --store it stores them instead.
#
# A path is gone so often, and twice as often: the difference is without what starting costs. Times are not looked at.
# But a loaded machine interrupts: then a process finds things done that it had waited for else, or the reverse. So what
# seems to take more is counted again, kTries times in all, and the least counts; and to take less is no failure.
# Counts of another compiler or C library can't be compared: where none are stored for these, nothing is compared.
#
# A stored line:  made with <tab> path <tab> main or others <tab> instructions
set -euo pipefail
program=$1 stored=$2 store=${3:-}
kTolerance=5
kTries=3

paths=(cast call large start)
declare -A times=([cast]=20000 [call]=2000 [large]=200 [start]=20)
declare -A called=(
  [cast,main]='a cast, its sender' [cast,others]='a cast, its receiver'
  [call,main]='a call, the caller' [call,others]='a call, the callee'
  [large,main]='a cast of 64 KiB, its sender' [large,others]='a cast of 64 KiB, its receiver'
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

# measure <path>: sets now[main] and now[others].
declare -A now
measure() {
  local once twice onceMain onceOthers twiceMain twiceOthers
  once=$(count "$1" "${times[$1]}")
  twice=$(count "$1" $((2 * times[$1])))
  read -r onceMain onceOthers <<< "$once"
  read -r twiceMain twiceOthers <<< "$twice"
  now[main]=$(((twiceMain - onceMain) / times[$1]))
  now[others]=$(((twiceOthers - onceOthers) / times[$1]))
}

storedFor() {
  awk -F'\t' -v m="$madeWith" -v p="$1" -v w="$2" '$1 == m && $2 == p && $3 == w { print $4 }' "$stored"
}

new=$folder.new
trap 'rm -rf "$folder" "$new"' EXIT
{ grep -E '^#' "$stored"; grep -vE '^#' "$stored" | grep -vF "$madeWith"$'\t' || true; } > "$new"
failed=
fewer=
printf '%-34s %12s %12s\n' 'instructions' 'stored' 'now'
for path in "${paths[@]}"; do
  declare -A least=([main]= [others]=)
  for ((try = 0; try < kTries; ++try)); do
    measure "$path"
    more=
    for who in main others; do
      [ -n "${least[$who]}" ] && [ "${least[$who]}" -le "${now[$who]}" ] || least[$who]=${now[$who]}
      before=$(storedFor "$path" $who)
      [ -z "$before" ] || [ $((100 * least[$who])) -le $(((100 + kTolerance) * before)) ] || more=yes
    done
    [ -n "$more" ] && [ "$store" != --store ] || break
  done
  for who in main others; do
    before=$(storedFor "$path" $who)
    printf '%-34s %12s %12s\n' "${called[$path,$who]}" "${before:--}" "${least[$who]}"
    printf '%s\t%s\t%s\t%s\n' "$madeWith" "$path" "$who" "${least[$who]}" >> "$new"
    if [ -z "$before" ]; then
      failed+="${called[$path,$who]} takes ${least[$who]} instructions; none are stored."$'\n'
    elif [ $((100 * least[$who])) -gt $(((100 + kTolerance) * before)) ]; then
      failed+="${called[$path,$who]} takes ${least[$who]} instructions; stored are $before."$'\n'
    elif [ $((100 * least[$who])) -lt $(((100 - kTolerance) * before)) ]; then
      fewer=yes
    fi
  done
done
if [ "$store" = --store ]; then
  cp "$new" "$stored"
  echo "Stored in $stored."
  exit
fi
kCommand='./dev bench --instructions --store'
[ -z "$fewer" ] || echo "Something takes less than is stored. If it does so on a quiet machine too, keep that: $kCommand"
if [ -n "$failed" ]; then
  printf '%s' "$failed" >&2
  echo "That is more than $kTolerance % more. If it is meant, store what is taken now: $kCommand" >&2
  exit 1
fi
