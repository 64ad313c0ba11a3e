#!/usr/bin/env bash
# tutorial.sh <tutorial.md> <build folder of Troupe>: does what the tutorial says, in an empty folder outside the tree, with
# Troupe installed. Each program must print what the page shows: x.out in any order, since several processes print it, and
# the lines of x.err somewhere on standard error.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
page=$1
build=$2
work=$(mktemp -d -t troupe-tutorial.XXXXXX)
trap 'rm -rf "$work"' EXIT
fail() { printf '%s\n' "$@"; exit 1; }

cmake --install "$build" --prefix "$work/prefix" > "$work/log" 2>&1 || fail "installing failed:" "$(cat "$work/log")"
export CMAKE_PREFIX_PATH=$work/prefix
mkdir -p "$work/page" "$work/project"
awk -v out="$work/page" -f "$here/extract.awk" "$page" > "$work/commands"
for file in "$work"/page/*; do
  case $file in *.out | *.err) ;; *) cp "$file" "$work/project" ;; esac
done

cd "$work/project"
programs=0
while read -r command; do
  if [[ $command != build/* ]]; then
    bash -c "$command" > "$work/log" 2>&1 < /dev/null || fail "$command failed:" "$(cat "$work/log")"
    continue
  fi
  name=${command#build/}
  programs=$((programs + 1))
  timeout 120 "$command" > "$work/stdout" 2> "$work/stderr" < /dev/null ||
    fail "$command ended with $?:" "$(cat "$work/stdout" "$work/stderr")"
  diff <(sort "$work/page/$name.out") <(sort "$work/stdout") || fail "$command does not print what the page shows"
  [ -e "$work/page/$name.err" ] || continue
  while read -r line; do
    grep -qF -- "$line" "$work/stderr" || fail "$command does not log: $line" "but:" "$(cat "$work/stderr")"
  done < "$work/page/$name.err"
done < "$work/commands"
[ "$programs" -gt 0 ] || fail "the page has no programs"
[ "$programs" -eq "$(find "$work/page" -name '*.out' | wc -l)" ] || fail "an output on the page is not that of a program"
