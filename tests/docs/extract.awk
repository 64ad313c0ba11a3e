# Takes the fenced blocks of a markdown file apart: awk -v out=<folder> -f extract.awk <file>.
# A block whose fence says title="x" is written to <folder>/x. The lines of ```sh blocks are printed, in order.
/^```/ {
  if (inside) {
    inside = 0
    if (target != "") close(target)
    next
  }
  inside = 1
  shell = /^```sh/
  target = ""
  if (match($0, /title="[^"]*"/)) {
    name = substr($0, RSTART + 7, RLENGTH - 8)
    target = out "/" name
    if (name in seen) { print FILENAME ":" FNR ": a second block of the title " name > "/dev/stderr"; exit 1 }
    seen[name]
    printf "" > target
  }
  next
}
inside && target != "" { print > target }
inside && shell { print }
