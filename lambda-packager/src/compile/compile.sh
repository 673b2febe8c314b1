# Removes cargo's records that may be out of date, runs cargo, and prints the binary on stdout.
#
#   compile.sh FIELD... -- COMMAND...
#
#   --target=DIR            cargo's target directory
#   --binary=FILE           the binary that the command makes
#   --wipe                  start with an empty target directory
#   --link-arg=FLAG         a linker flag that makes the zip smaller, used if the linker knows it
#   --surroundings=DIGEST   of the influences on a compile that cargo does not check
#   --compile=NAME          a unique name of this compile
#   --clean-compile=NAME    an earlier compile during which no input changed; repeatable
#   --pack-along=SCRIPT     a script to run during the first compile in the target directory
#   --package=NAME=DIGEST   a local package, and a digest of what it is compiled from; repeatable
#
# stdin is a pipe that the packager keeps open: when it ends, the packager is gone and the compile ends too.
# stdout is a line with name and length for each section, then the sections: `read` (the files that the units read, as
# rules of dep-info), `messages` (cargo's, about what it made), `kept-units` (the units that images keep), `binary`.
# Without a binary, nothing is printed.
# Run by `sh -c`: POSIX, only coreutils, findutils, grep, and setsid and flock of util-linux.
set -u
wipe='' flag='' along='' clean=' ' packages=''
while [ "$#" -gt 0 ]; do
  field=$1 value=${1#*=}
  shift
  case $field in
    --) break ;;
    --target=*) target=$value ;;
    --binary=*) binary=$value ;;
    --wipe) wipe=1 ;;
    --link-arg=*) flag=$value ;;
    --surroundings=*) surroundings=$value ;;
    --compile=*) compile=$value ;;
    --clean-compile=*) clean="$clean$value " ;;
    --pack-along=*) along=$value ;;
    --package=*) packages="$packages $value" ;;
    *) echo "compile.sh: unknown field $field" >&2 && exit 2 ;;
  esac
done
state=$target/.lambda-packager
downloads=${CARGO_HOME:-${HOME:-}/.cargo}
# For each package in this target directory: the digest that it was compiled from, and the last compile that
# may have compiled it again.
known=$state/known
[ -d "$known" ] || mkdir -p "$known" || exit 1

# One compile at a time: cargo's own lock does not cover the files that are removed below.
exec 9>"$state/lock" || exit 1
if ! flock -n 9; then
  echo "    Blocking waiting for another compile in this target directory" >&2
  flock 9 || exit
fi

# Cargo compares dates. Its records are removed for every package whose content may differ from what they
# describe, including by a compile that was interrupted. OUT_DIR is removed with them: otherwise a build
# script would find its old files in it, which a clean build does not have.
: >"$state/now"
# The step that keeps the compiled units checks with this name whether another compile ran after this one.
echo "$compile" >"$state/compile" || exit 1
if [ -e "$state/ended" ] && [ -n "$(find "$state/ended" -prune -newer "$state/now")" ]; then
  # The clock was set back: files compiled now would look older than the files that they replace.
  rm -f "$known"/*
fi
was=
if [ -e "$state/surroundings" ]; then read -r was <"$state/surroundings"; fi
if [ -n "$wipe" ] || [ "$was" != "$surroundings" ]; then
  rm -f "$known"/* && rm -rf "$state"/kept* "$state/surroundings.kept" "${target:?}"/* && echo "$surroundings" >"$state/surroundings" || exit 1
fi
hex='[0-9a-f]'
hash=$hex$hex$hex$hex$hex$hex$hex$hex$hex$hex$hex$hex$hex$hex$hex$hex
# Runs a command on all that cargo may keep of a package, in its layout until 1.99 and since 1.100.
with_records() { # package, command
  package=$1
  shift
  # shellcheck disable=SC2086 # $hash is a pattern
  "$@" "$target"/*/.fingerprint/"$package"-$hash "$target"/*/*/.fingerprint/"$package"-$hash \
    "$target"/*/build/"$package"-$hash "$target"/*/*/build/"$package"-$hash \
    "$target"/*/build/"$package" "$target"/*/*/build/"$package"
}
is_there() {
  for path; do
    if [ -e "$path" ]; then return 0; fi
  done
  return 1
}
# In another layout nothing would be removed: what was compiled and is nowhere shows it.
compiled='' found=''
for field in $packages; do
  name=${field%=*}
  if [ -z "$found" ] && [ -e "$known/$name" ]; then
    compiled=1
    if with_records "$name" is_there; then found=1; fi
  fi
done
if [ -n "$compiled" ] && [ -z "$found" ]; then
  echo "warning: the layout of cargo's target directory is not known; compiling everything" >&2
  rm -f "$known"/* && rm -rf "$state"/kept* "${target:?}"/* || exit 1
fi
stale=
for field in $packages; do
  name=${field%=*} digest=${field##*=} was='' by=''
  if [ -e "$known/$name" ]; then read -r was by <"$known/$name"; fi
  case $clean in *" $by "*) ;; *) was='' ;; esac
  if [ "$was" = "$digest" ]; then
    # Cargo may compile it again anyway, for example because of a newer date.
    echo "$digest $compile" >"$known/$name"
  else
    rm -f "$known/$name"
    with_records "$name" rm -rf || exit 1
    stale="$stale $field"
  fi
done
# A linker that does not know the flag would fail, after minutes. Any of cargo's settings may choose the
# linker, so this compiles an empty program with cargo to find out.
if [ -n "$flag" ]; then
  probe=$state/probe
  mkdir -p "$probe" && echo 'fn main() {}' >"$probe/main.rs" || exit 1
  printf '[package]\nname = "probe"\n[[bin]]\nname = "probe"\npath = "main.rs"\n[workspace]\n' >"$probe/Cargo.toml" || exit 1
  dashes=--
  for word in "$@"; do
    case $word in --target=*) triple=$word ;; --) dashes='' ;; esac
  done
  if CARGO_BUILD_BUILD_DIR=$probe cargo rustc --offline "--manifest-path=$probe/Cargo.toml" "--target-dir=$probe" \
    "$triple" -- -C "link-arg=$flag" </dev/null >/dev/null 2>&1; then
    # shellcheck disable=SC2086 # empty if the user's own flags have the dashes
    set -- "$@" $dashes -C "link-arg=$flag"
  fi
  rm -rf "$probe"
fi
# The output is the binary of this call of cargo, or nothing.
rm -rf "$binary" "$binary.d" "$state/code" "$state/along" || exit 1

# In its own session, so that all its processes can be ended together. Its messages go through `cat`, which
# joins them: cargo writes line by line, and each write would wake every process up to the packager.
# Its stdout is for programs if JSON messages were requested, otherwise for people.
: >"$state/messages"
{
  exec 3<&0 4>&1
  case " $* " in *" --message-format=json-render-diagnostics "*) exec 4>"$state/messages" ;; esac
  setsid "$@" </dev/null 2>&1 >&4 3<&- 4>&- 9>&- &
  child=$!
  exec 4>&-
  packer=
  if [ -n "$along" ] && [ ! -s "$state/kept" ]; then
    setsid sh -c "$along" lambda-packager "$target" "$child" "$downloads" </dev/null >/dev/null 2>&1 3<&- &
    packer=$!
  fi
  # Keeps the lock as long as it may have processes to end, even if this shell is gone earlier.
  (
    cat <&3 9>&-
    # From here on TERM must not end this shell too: KILL is for processes that ignore TERM.
    trap '' TERM
    if [ -n "$packer" ]; then kill -KILL "-$packer"; fi
    kill -TERM "-$child" && sleep 1 && kill -KILL "-$child"
  ) >/dev/null 2>&1 &
  watch=$!
  wait "$child"
  echo "$?" >"$state/code"
  exec 3<&-
  # End the processes that cargo left running.
  kill -KILL "$watch" "-$child" 2>/dev/null
} | cat >&2 9>&-
: >"$state/ended"
# The output of build scripts, if cargo was told to show it.
grep -v '^{' "$state/messages" >&2
read -r code <"$state/code" && [ "$code" = 0 ] || exit "${code:-1}"
# Flags can make cargo build something else or in another folder: then there is no output.
[ -e "$binary" ] || exit 0

for package in $stale; do
  echo "${package##*=} $compile" >"$known/${package%=*}"
done

# The dep-info of the binary names the files of local packages that were read; the dep-info of the units names
# the unit that read them; the output of build scripts has their `rerun-if-changed`. Downloaded files are no
# inputs, but other files that downloaded crates read are.
find "$target" \( -name incremental -o -path "$state" \) -prune -o \( -path '*/deps/*.d' -o -path '*/build/*/*.d' \) \
  -exec grep -h -m 1 ': ' {} + >"$state/rules"
{
  printf %s "$(head -n 1 "$binary.d")"
  if grep -F -e ": $downloads/" "$state/rules" >"$state/of-downloads"; then
    grep -o ': .*' "$state/of-downloads" | grep -o ' [^ ]*' | grep -v -F -e " $downloads/" | tr -d '\n'
  fi
  echo
  grep -v -F -e ": $downloads/" "$state/rules"
  find "$target" -path "$state" -prune -o \( -path '*/build/*/output' -o -path '*/build/*/run/stdout' \) -exec grep -e '^cargo::*rerun-if-changed=' /dev/null {} +
} >"$state/read"
# The run of another function may be adding to `kept`.
: >>"$state/kept" && cp "$state/kept" "$state/kept-units" && cd "$state" || exit
# shellcheck disable=SC2046 # the length of each file, and its name
set -- $(wc -c read messages kept-units - <"$binary")
printf '%s\n' "read $1" "messages $3" "kept-units $5" "binary $7" && cat read messages kept-units "$binary"
