#!/usr/bin/env bash
# check.sh <check> <root>: one rule of the code's layout; prints each breach as "file:line: text",
# and fails if there is one.
#
#   order         a room includes only rooms and doors to its left, or its own (actors are the last); the command (cli) rooms up to wire
#   uv            <uv.h> only in framework/loop, and in benches libuv_*, which compare with it; no uv_ name
#                 in other rooms; no word of libuv in a door
#   lengths       a header has at most 250 lines, a source 450
#   system_calls  headers of system calls only in framework/os; elsewhere <csignal> is for names of signals
#   doors         a door includes only doors, the standard library, and Cap'n Proto
set -euo pipefail
check=$1
cd "$2"

rank='BEGIN {
  n = split("os loop wire mailbox actor net supervision node actors", rooms, " ")
  for (i = 1; i <= n; ++i) rank[rooms[i]] = i
  doors["os"] = "error exit_reason"
  doors["loop"] = "frames strand task"
  doors["wire"] = "level message plain_params protocol"
  doors["actor"] = "actor actor_class argument client kept kept_table later logger ref self sending shared shared_block shared_memory spec supervisor_ref"
  doors["net"] = "net net_argument"
  doors["node"] = "app"
  doors["actors"] = "barrier channel condition counter dictionary dictionary_client event lease list list_client log map message_feed mutex program queue semaphore topic troupe value"
  for (room in doors) { n = split(doors[room], names, " "); for (i = 1; i <= n; ++i) home[names[i]] = room }
}'

# Prints the lines "file:line: text" that awk program $1 reports for the files after it; none is fine.
scan() {
  local program=$1
  shift
  [ $# -eq 0 ] && return
  awk "function breach(text) { printf \"%s:%d: %s\n\", FILENAME, FNR, text } $program" "$@"
}

# The files below folders that match a find expression: files <folder>... -- <expression>...
files() {
  local folders=()
  while [ "$1" != -- ]; do [ ! -d "$1" ] || folders+=("$1"); shift; done
  shift
  [ ${#folders[@]} -eq 0 ] || find "${folders[@]}" -type f "$@" | sort
}

order() {
  local all
  mapfile -t all < <(files framework actors -- -name '*.h'; files framework actors -- -name '*.cc')
  scan "$rank"'
    FNR == 1 {
      split(FILENAME, part, "/"); here = part[1] == "actors" && part[2] != "include" ? "actors" : part[2]
      if (here == "include") {
        name = FILENAME; sub(/^[a-z]*\/include\/troupe\//, "", name); sub(/\.h$/, "", name)
        here = home[name]
        if (here == "") breach("the door <troupe/" name ".h> has no room: add it to the table in check.sh")
      }
    }
    here == "" { next }
    /^[ \t]*#[ \t]*include[ \t]*<troupe\// {
      door = $0; sub(/.*<troupe\//, "", door); sub(/\.h>.*/, "", door)
      if (!(door in home)) breach("no such door: <troupe/" door ".h>")
      else if (here in rank && rank[home[door]] > rank[here])
        breach(here " includes <troupe/" door ".h>, a door of " home[door])
      else if (!(here in rank) && here != "cli")
        breach(here " includes <troupe/" door ".h>; it stands apart from the runtime")
    }
    /^[ \t]*#[ \t]*include[ \t]*"/ {
      path = $0; sub(/^[^"]*"/, "", path); sub(/".*/, "", path); split(path, part, "/"); there = part[1]
      if (there == here) next
      if (there == "schemas" && (here == "cli" || rank[here] >= rank["wire"])) next
      if (there == "schemas") breach(here " includes \"" path "\": schemas belong to wire")
      else if (!(there in rank)) breach("\"" path "\" is no path from framework/: room/file.h")
      else if (here in rank && rank[there] > rank[here])
        breach(here " includes \"" path "\", which is to its right")
      else if (here == "cli" && rank[there] > rank["wire"])
        breach("cli includes \"" path "\": it knows rooms up to wire only")
      else if (!(here in rank) && here != "cli")
        breach(here " includes \"" path "\"; it stands apart from the runtime")
    }' "${all[@]}"
}

uv() {
  local all
  mapfile -t all < <(files framework actors samples tests -- -name '*.h'
                     files framework actors samples tests -- -name '*.cc')
  scan '
    FNR == 1 {
      loop = FILENAME ~ /^framework\/loop\// || FILENAME ~ /^tests\/bench\/compare\/libuv_/
      door = FILENAME ~ /^framework\/include\//
      header = FILENAME ~ /\.h$/
    }
    /#[ \t]*include[ \t]*[<"]uv(\/|\.h)/ {
      if (!loop) breach("includes <uv.h>, which only framework/loop may")
      next
    }
    door && tolower($0) ~ /(^|[^a-z0-9])(lib)?uv([^a-z0-9]|$)/ { breach("a door speaks of libuv"); next }
    !loop && /(^|[^A-Za-z0-9_])uv_[a-z]/ { breach("a name of libuv outside framework/loop") }' "${all[@]}"
}

lengths() {
  local all
  mapfile -t all < <(files framework actors samples tests -- -name '*.h')
  scan 'FNR == 251 { breach("a header has at most 250 lines") }' "${all[@]}"
  mapfile -t all < <(files framework actors samples tests -- -name '*.cc')
  scan 'FNR == 451 { breach("a source has at most 450 lines") }' "${all[@]}"
}

system_calls() {
  local all
  mapfile -t all < <(files framework actors -- \( -name '*.h' -o -name '*.cc' \) -not -path 'framework/os/*')
  scan '
    /^[ \t]*#[ \t]*include[ \t]*</ {
      header = $0; sub(/^[^<]*</, "", header); sub(/>.*/, "", header)
      if (header == "sys/types.h") next  # names of types only
      if (header ~ /^(sys|linux|asm|net|netinet|arpa)\// ||
          header ~ /^(unistd|fcntl|poll|sched|spawn|dirent|termios|pthread|dlfcn|netdb|syscall)\.h$/)
        breach("<" header "> outside framework/os")
    }
    /^[ \t]*\/\// { next }
    /(^|[^A-Za-z0-9_])(sigaction|sigprocmask|pthread_sigmask|signalfd|sig(empty|fill|add)set)[ \t]*\(/ ||
    /(^|[^A-Za-z0-9_])std::(signal|raise)[ \t]*\(/ || /(^|[^A-Za-z0-9_>])::(signal|raise|kill)[ \t]*\(/ {
      breach("a system call outside framework/os: there <csignal> is for names of signals")
    }' "${all[@]}"
}

doors() {
  local all
  mapfile -t all < <(files framework/include actors/include -- -name '*.h')
  scan '
    /^[ \t]*#[ \t]*include/ {
      if ($0 ~ /include[ \t]*"/) { breach("a door includes a file that is not installed"); next }
      header = $0; sub(/^[^<]*</, "", header); sub(/>.*/, "", header)
      if (header ~ /^(troupe|capnp|kj)\//) next
      if (header ~ /^[a-z_]+$/) next  # the standard library
      breach("a door includes <" header ">")
    }' "${all[@]}"
}

case $check in
  order | uv | lengths | system_calls | doors) ;;
  *) echo "no such check: $check" >&2; exit 2 ;;
esac
breaches=$($check)
[ -z "$breaches" ] && exit 0
echo "$breaches"
exit 1
