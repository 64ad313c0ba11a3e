#!/usr/bin/env bash
# check.sh <check> <root>: one way in which README.md and docs/ must be true of the code; prints each breach, and fails if
# there is one.
#
#   samples    a block whose title is a path has what that file has
#   commands   each command of a ```sh block is one that is run: by .ci/run, by tutorial.sh, or by command.sh
#   cases      a test that the table of OTP's cases names, is there
#   proofs     a row of a table in docs/from-multiprocessing.md names a test, unless it has nothing to show; each that is named is there
#   links      links lead to files and headings that are there
#   paths      paths of files in `code` are there
#   kinds      every kind of error and exit, and every control message, is described
#   snippets   each block of C++ in docs/from-multiprocessing.md stands in a test that runs it
#   texts      the examples in docs/errors.md are in the words of the code
set -euo pipefail
check=$1
here=$(cd "$(dirname "$0")" && pwd)
cd "$2"
pages=(README.md docs/*.md docs/actors/*.md)
breach() { printf '%s\n' "$*"; }

# The lines of the block with title $2 on page $1.
block() {
  awk -v want="title=\"$2\"" '/^```/ { inside = !inside; take = inside && index($0, want); next } take' "$1"
}

samples() {
  local page title
  for page in "${pages[@]}"; do
    for title in $(grep -o '^```.* title="[^"]*/[^"]*"' "$page" | sed 's/.*title="//; s/"$//'); do
      [ -f "$title" ] || { breach "$page: no file $title"; continue; }
      # What a project of its own needs beside.
      diff <(block "$page" "$title" | grep -v '^find_package(troupe' ) "$title" || breach "$page: the block is not $title"
    done
  done
}

snippets() {
  awk '
    function trimmed(line) { sub(/^[ \t]+/, "", line); sub(/[ \t]+$/, "", line); return line }
    FILENAME ~ /\.cc$/ { text = text "\n" trimmed($0); next }
    /^```/ { if (taking && !index(text "\n", block "\n")) print FILENAME ":" FNR ": no such lines in the test"
             taking = !inside && /^```cpp/; inside = !inside; block = ""; next }
    taking { block = block "\n" trimmed($0) }' tests/actors/from_multiprocessing_test.cc tests/support/depot.cc tests/system/attach_test.cc docs/from-multiprocessing.md
}

commands() {
  local page command
  for page in "${pages[@]}"; do
    case $page in docs/tutorial.md | docs/command.md) continue ;; esac
    while read -r command; do
      case $command in
        ./dev*) grep -qxF "$command" .ci/run || breach "$page: .ci/run does not run: $command" ;;
        'cmake --install build/release --prefix "$HOME/troupe"')
          grep -q '^cmake --install "$build" --prefix' "$here/tutorial.sh" || breach "$page: nobody runs: $command" ;;
        *) breach "$page: nobody runs: $command" ;;
      esac
    done < <(awk '/^```/ { shell = /^```sh/; next } shell' "$page")
  done
}

# A row is "| `name` | core, processes |"; a name that ends in * stands for all that begin so.
cases() {
  local row name folder rows=0
  while read -r row; do
    rows=$((rows + 1))
    name=$(sed 's/^| `\([^`]*\)`.*/\1/; s/\*$/[A-Za-z0-9_]*/' <<< "$row")
    row=${row#*|*|}
    for folder in $(grep -oE '\b(core|processes)\b' <<< "${row%%:*}"); do
      [ "$folder" = core ] && folder=tests/unit/supervision || folder=tests/conformance
      grep -rqE "TEST(_F|_P)?\([A-Za-z0-9_]*, *$name\)" "$folder" || breach "docs/supervision.md: no test $name in $folder"
    done
  done < <(sed -n '/^| case/,$p' docs/supervision.md | grep '^| `')
  [ "$rows" -gt 0 ] || breach "docs/supervision.md: no cases"
}

# A test is "Suite.Name".
proofs() {
  local page=docs/from-multiprocessing.md row name tests
  tests=$(grep -rhoE '^TEST(_F|_P)?\([A-Za-z0-9_]+, *[A-Za-z0-9_]+\)' tests | sed -E 's/.*\(([^,]*), *([^)]*)\)/\1.\2/')
  while read -r row; do
    grep -qE '`[A-Z][A-Za-z]*\.[A-Za-z0-9_]+`' <<< "$row" || breach "$page: no test in: $row"
  done < <(grep -E '^\| .* \|$' "$page" | grep -vE '\| \|$|^\| (multiprocessing|there) \|')
  for name in $(grep -E '^\|' "$page" | grep -oE '`[A-Z][A-Za-z]*\.[A-Za-z0-9_]+`' | tr -d '`'); do
    grep -qxF "$name" <<< "$tests" || breach "$page: no test $name"
  done
}

# As they appear in links: "What is `x`?" becomes what-is-x.
headings() {
  awk '/^```/ { inside = !inside } !inside && /^#/' "$1" |
    sed 's/^#* *//' | tr '[:upper:]' '[:lower:]' | tr -cd 'a-z0-9 _\n-' | tr ' ' '-'
}

links() {
  local page link file anchor
  for page in "${pages[@]}"; do
    while read -r link; do
      case $link in http*) continue ;; esac
      file=${link%%#*}
      anchor=${link#"$file"}
      [ -n "$file" ] && file=$(dirname "$page")/$file || file=$page
      [ -e "$file" ] || { breach "$page: the link $link leads nowhere"; continue; }
      [ -z "$anchor" ] || grep -qxF -- "${anchor#\#}" <(headings "$file") || breach "$page: no heading for $link"
    done < <(awk '/^```/ { code = !code } !code' "$page" | grep -oE '\]\([^) ]+\)' | sed 's/^](//; s/)$//')
  done
}

paths() {
  local page path
  for page in "${pages[@]}"; do
    for path in $(grep -oE '`[a-z_]+(/[a-z_]+)*/[a-z_]+(\.(h|cc|capnp|md|sh|cmake))?`' "$page" | tr -d '`' | sort -u); do
      case $path in build/* | application/*) continue ;; esac
      [ -e "$path" ] || [ -e "framework/$path" ] || breach "$page: no such file: $path"
    done
  done
}

enumerators() {
  awk -v want="^enum class $2 " '$0 ~ want { inside = 1; next } /^}/ { inside = 0 }
    inside && match($0, /[a-z][A-Za-z]*/) { print substr($0, RSTART, RLENGTH) }' "$1"
}

kinds() {
  local kind
  for kind in $(enumerators framework/include/troupe/error.h ErrorKind; enumerators framework/include/troupe/exit_reason.h ExitKind); do
    grep -q "^| \`$kind\` |" docs/errors.md || breach "docs/errors.md: nothing about $kind"
  done
  for kind in $(awk '/^struct Control / { inside = 1 } inside && /^    [a-z][A-Za-z]* (@|:group)/ { print $1 }' schemas/control.capnp); do
    grep -q "\`$kind\`" docs/wire-format.md || breach "docs/wire-format.md: nothing about the control message $kind"
  done
}

# The longest run of plain words of each example.
texts() {
  local example words
  while read -r example; do
    words=$(sed 's/[^ ]*[^a-z ,][^ ]*/|/g' <<< "$example" | grep -oE "[a-z][a-z, ]*[a-z]" | awk '{ print length, $0 }' | sort -rn | head -n 1 | cut -d' ' -f2-)
    grep -rqF -- "$words" framework docs/tutorial.md || breach "docs/errors.md: the code does not say: $words"
  done < <(grep '^| `' docs/errors.md | awk -F' \\| ' '{ print $3 }' | grep '`' | sed 's/^[^`]*`//; s/`[^`]*$//')
}

case $check in
  samples | snippets | commands | cases | proofs | links | paths | kinds | texts) ;;
  *) echo "no such check: $check" >&2; exit 2 ;;
esac
breaches=$($check)
[ -z "$breaches" ] && exit 0
echo "$breaches"
exit 1
