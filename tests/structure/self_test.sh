#!/usr/bin/env bash
# self_test.sh <compiler>: each check of the layout accepts what is right and finds what is made wrong here.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(mktemp -d -t troupe-structure.XXXXXX)
trap 'rm -rf "$root"' EXIT
status=0

fresh() {
  rm -rf "${root:?}"/*
  mkdir -p "$root"/framework/{os,loop,wire,actor,net,compiler,cli,include/troupe} "$root"/tests/bench/compare
  echo '#include <uv.h>' > "$root/tests/bench/compare/libuv_echo.cc"
  echo '#include <string>' > "$root/framework/include/troupe/error.h"
  echo '#include <troupe/error.h>' > "$root/framework/include/troupe/task.h"
  printf '#include "os/fd.h"\n#include <uv.h>\nuv_loop_t* loop;\n' > "$root/framework/loop/loop.cc"
  printf '#include <unistd.h>\n#include <troupe/error.h>\n' > "$root/framework/os/fd.cc"
  printf '#include "schemas/envelope.capnp.h"\n#include <sys/types.h>\nvoid Ref::kill() { child.kill(); }\n' \
    > "$root/framework/wire/packet.cc"
  printf '#include <troupe/spec.h>\n#include "os/fd.h"\n#include "schemas/client.capnp.h"\n' > "$root/framework/cli/main.cc"
  echo '#include "compiler/names.h"' > "$root/framework/compiler/main.cc"
}

# The check $1 passes on the sample as it stands.
accepts() {
  "$here/check.sh" "$1" "$root" > /dev/null ||
    { echo "$1 rejects what is right: $("$here/check.sh" "$1" "$root")"; status=1; }
}

# With file $2 made to hold $3, the check $1 fails and says $4.
rejects() {
  local output
  fresh
  printf '%b\n' "$3" > "$root/$2"
  if output=$("$here/check.sh" "$1" "$root"); then
    echo "$1 accepts a wrong $2: $3"
    status=1
  elif [[ $output != *"$2"*"$4"* ]]; then
    echo "$1 on a wrong $2 does not say \"$4\" but: $output"
    status=1
  fi
}

fresh
for check in order uv lengths system_calls doors; do accepts $check; done

rejects order framework/os/fd.h '#include "loop/loop.h"' 'to its right'
rejects order framework/os/fd.h '#include <troupe/task.h>' 'a door of loop'
rejects order framework/os/fd.h '#include "schemas/control.capnp.h"' 'schemas belong to wire'
rejects order framework/os/fd.h '#include "pipe.h"' 'no path from framework/'
rejects order framework/wire/lane.h '#  include  <troupe/actor.h>' 'a door of actor'
rejects order framework/include/troupe/task.h '#include <troupe/app.h>' 'loop includes <troupe/app.h>'
rejects order framework/include/troupe/new.h '#include <string>' 'has no room'
rejects order framework/compiler/main.cc '#include "os/fd.h"' 'stands apart'
rejects order framework/net/net.cc '#include "supervision/rules.h"' 'to its right'

rejects order framework/cli/main.cc '#include "node/root.h"' 'rooms up to wire only'

rejects uv framework/wire/lane.h '#include <uv.h>' 'only framework/loop'
rejects uv framework/os/fd.cc '#include <uv.h>' 'only framework/loop'
rejects uv framework/net/stream.h 'struct uv_tcp_s;' 'outside framework/loop'
rejects uv tests/bench/compare/echo.cc '#include <uv.h>' 'only framework/loop'
rejects uv framework/include/troupe/task.h '// Runs on libuv.' 'speaks of libuv'
rejects uv framework/include/troupe/task.h 'struct uv_loop_s;' 'speaks of libuv'

rejects lengths framework/os/fd.h "$(printf '\\n%.0s' {1..250})" 'at most 250'
rejects lengths framework/os/fd.cc "$(printf '\\n%.0s' {1..450})" 'at most 450'

rejects system_calls framework/actor/turn.cc '#include <unistd.h>' '<unistd.h> outside framework/os'
rejects system_calls framework/actor/turn.h '#include <sys/mman.h>' '<sys/mman.h> outside framework/os'
rejects system_calls framework/actor/turn.cc 'int i = ::kill(1, SIGTERM);' 'names of signals'
rejects system_calls framework/actor/turn.cc 'auto f = std::signal(SIGTERM, SIG_IGN);' 'names of signals'
rejects system_calls framework/actor/turn.cc '  sigaction(SIGTERM, &ignore, nullptr);' 'names of signals'

rejects doors framework/include/troupe/task.h '#include "loop/loop.h"' 'not installed'
rejects doors framework/include/troupe/task.h '#include <spdlog/spdlog.h>' '<spdlog/spdlog.h>'
rejects doors framework/include/troupe/task.h '#include <unistd.h>' '<unistd.h>'

# Names of libuv in object files.
mkdir -p "$root/framework/loop" "$root/framework/net"
echo 'extern "C" int uv_run(int); int go() { return uv_run(0); }' > "$root/run.cc"
echo 'struct uv_loop_s {}; void take(uv_loop_s*) {}' > "$root/take.cc"
for unit in run take; do
  "$1" -c "$root/$unit.cc" -o "$root/framework/loop/$unit.o"
  cp "$root/framework/loop/$unit.o" "$root/framework/net/$unit.o"
  echo "$root/framework/loop/$unit.o" > "$root/right"
  echo "$root/framework/net/$unit.o" > "$root/wrong"
  "$here/uv_symbols.sh" "$root/right" > /dev/null || { echo "uv_symbols rejects $unit in loop"; status=1; }
  ! "$here/uv_symbols.sh" "$root/wrong" > /dev/null || { echo "uv_symbols accepts $unit in net"; status=1; }
done
exit $status
