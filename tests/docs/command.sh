#!/usr/bin/env bash
# command.sh <root> <command> <shop>: runs every command of docs/command.md, in its order, against an app that has dead letters.
# <shop> is the test program that is such an app.
set -euo pipefail
root=$1
shop=$3
work=$(mktemp -d -t troupe-command.XXXXXX)
app=
trap '[ -z "$app" ] || kill "$app"; wait; rm -rf "$work"' EXIT
fail() { printf '%s\n' "$@"; exit 1; }

export TROUPE_RUNTIME_DIR=$work/run
export ASAN_OPTIONS=handle_segv=0  # a sanitizer would make an exit code of the signal
cd "$work"
mkdir bin
ln -s "$2" bin/troupe
PATH=$work/bin:$PATH
cp "$root"/tests/schemas/till.capnp "$root"/schemas/*.capnp .
printf '#!/bin/sh\nexec "%s" shop letters "$@"\n' "$shop" > shop
chmod +x shop

mkfifo open
./shop > open 2> errors < /dev/null &
app=$!
exec 3< open
read -r -t 60 line <&3 && [ "$line" = open ] || fail "the shop does not open:" "$(cat errors)"

commands=0
while read -r command; do
  commands=$((commands + 1))
  code=0
  bash -c "$command" > log 2>&1 < /dev/null || code=$?
  case $command in
    # The letter is one that kills: by SIGSEGV.
    *--troupe-replay*) [ "$code" -eq 139 ] || fail "$command does not crash ($code):" "$(cat log)" ;;
    *) [ "$code" -eq 0 ] || fail "$command failed ($code):" "$(cat log)" ;;
  esac
done < <(awk '/^```/ { shell = /^```sh/; next } shell' "$root/docs/command.md")
[ "$commands" -gt 0 ] || fail "the page has no commands"
