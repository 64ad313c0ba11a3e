#!/usr/bin/env bash
# self_test.sh <root>: each check of check.sh finds what is made wrong in a copy of the tree.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(mktemp -d -t troupe-docs.XXXXXX)
trap 'rm -rf "$root"' EXIT
source=$1
status=0

fresh() {
  rm -rf "${root:?}"/*
  (cd "$source" && tar cf - README.md LICENSE docs .ci framework actors samples schemas tests) | tar xf - -C "$root"
}

# With file $2 changed by the sed command $3, the check $1 fails and says $4.
finds() {
  local output
  fresh
  cp "$root/$2" "$root/before"
  sed -i "$3" "$root/$2"
  if cmp -s "$root/$2" "$root/before"; then
    echo "$3 changes nothing in $2"
    status=1
  elif output=$("$here/check.sh" "$1" "$root"); then
    echo "$1 accepts a wrong $2: $3"
    status=1
  elif [[ $output != *"$4"* ]]; then
    echo "$1 does not say \"$4\" but: $output"
    status=1
  fi
}

finds samples README.md 's/int visits_ = 0/int visits = 0/' 'is not samples/hello/hello.cc'
finds samples samples/hello/greeter.capnp 's/greet @0/salute @0/' 'is not samples/hello/greeter.capnp'
finds commands README.md 's|^\./dev test$|./dev please|' '.ci/run does not run: ./dev please'
finds commands README.md 's|^cmake --install|cmake --uninstall|' 'nobody runs'
finds cases docs/supervision.md 's/^| `one_for_all`/| `one_for_most`/' 'no test one_for_most'
finds proofs docs/from-multiprocessing.md 's/_66587`/_1`/' 'no test Multiprocessing.a_pool_whose_workers_die_ends_each_task_1'
finds proofs docs/from-multiprocessing.md 's/`Processes.DoNotGatherDescriptors`/none/' 'no test in: | the number of descriptors'
finds links README.md 's|(docs/errors.md)|(docs/mistakes.md)|' 'docs/mistakes.md leads nowhere'
finds links docs/supervision.md 's/^## Differences from OTP/## Differences/' 'no heading for #differences-from-otp'
finds paths docs/path-of-a-message.md 's|`mailbox/desk.cc`|`mailbox/table.cc`|' 'no such file: mailbox/table.cc'
finds kinds framework/include/troupe/exit_reason.h 's/^  hung,/  bored,/' 'nothing about bored'
finds kinds schemas/control.capnp 's/^    pong @6/    pang @6/' 'nothing about the control message pang'
finds snippets docs/from-multiprocessing.md 's/co_await jobs.join/co_await jobs.finish/' 'no such lines in the test'
finds texts framework/os/exit_reason.cc 's/did not become ready in time/is late/' 'does not say: did not become ready in time'
exit $status
