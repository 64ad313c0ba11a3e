#!/usr/bin/env bash
# uv_symbols.sh <list of object files>: names of libuv may occur in the objects of the room loop only, as
# symbol or inside one.
set -euo pipefail
status=0
while read -r object; do
  case $object in '' | */framework/loop/* | */Unity/unity_loop_*) continue ;; esac
  found=$(nm --demangle "$object" | grep -E '(^|[^A-Za-z0-9_])uv_[a-z]' || true)
  [ -z "$found" ] && continue
  printf '%s: a name of libuv outside framework/loop:\n%s\n' "$object" "$found"
  status=1
done < "$1"
exit $status
