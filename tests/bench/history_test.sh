#!/usr/bin/env bash
# Two runs are added to a history, and the trend of them is shown.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
git init -q
git -c user.name=a -c user.email=a@b -c commit.gpgsign=false commit -q --allow-empty -m first

run() {
  cat <<END
{"workload":"trip, 64 bytes","who":"pipe","value":10,"unit":"us","ratio":1}
{"workload":"trip, 64 bytes","who":"Troupe, call","value":5,"unit":"us","ratio":$1}
{"workload":"trip, 64 bytes","who":"failed","value":null,"unit":"us","ratio":null}
{"workload":"echo","who":"alone","value":5,"unit":"us","ratio":1}
END
}
run 0.5 | "$here/history.sh" add h.tsv
run 2e-05 | "$here/history.sh" add h.tsv
added=$(git log -1 --format='%cs%x09%h' --abbrev=10)
diff h.tsv - <<END
$added	trip, 64 bytes	Troupe, call=0.5
$added	trip, 64 bytes	Troupe, call=2e-05
END
diff <("$here/history.sh" trend h.tsv | tail -n +2 | tr -s ' ') - <<END
trip, 64 bytes Troupe, call 0.5 0.5 2e-05 ${added%%$'\t'*}
END
