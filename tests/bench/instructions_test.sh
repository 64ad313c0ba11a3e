#!/usr/bin/env bash
# Counts that are as stored, or less, pass; more fails; those of another compiler are not compared.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

# To start costs 1000, and to go a path 50 in the main actor, 10 in the others.
cat > program <<'END'
#!/bin/sh
[ "$1" = made-with ] && echo "${MADE_WITH:-g++ 1}" || echo main 7
END
cat > valgrind <<'END'
#!/bin/bash
for option; do case $option in --callgrind-out-file=*) out=${option#*=} ;; esac; done
times=${*: -1}
echo "summary: $((1000 + ${COST:-50} * times))" > "${out/\%p/7}"
echo "totals: $((1000 + 10 * times))" > "${out/\%p/17}"
echo main 7
END
chmod +x program valgrind
export PATH=$folder:$PATH
compare() { "$here/instructions.sh" ./program stored "$@" > said 2>&1; }
expect() { grep -qF -- "$1" said || { echo "not said: $1"; cat said; exit 1; }; }

echo '# a comment' > stored
compare
expect 'no counts are stored for g++ 1.'
compare --store
grep -qxF $'g++ 1\tcast\tmain\t50' stored
grep -qxF $'g++ 1\tstart\tothers\t10' stored
COST=52 compare
if COST=53 compare; then echo "6 % more passes"; exit 1; fi
expect 'a cast, its sender takes 53 instructions; stored are 50.'
expect './dev bench --instructions --store'
COST=47 compare
expect 'takes less than is stored'
MADE_WITH='g++ 2' compare
expect 'no counts are stored for g++ 2.'
MADE_WITH='g++ 2' COST=60 compare --store
[ "$(grep -c '^g++ 1' stored)" = 8 ]
grep -qxF '# a comment' stored
compare
