# Removes cargo's records that may be out of date, runs cargo, and prints the binary on stdout.
#
#   $1        cargo's target directory
#   $2        the binary that cargo makes
#   $3        "wipe" to start with an empty target directory, otherwise "keep"
#   $4        a linker flag that makes the zip smaller, used if the linker knows it; or nothing
#   $5        a digest of the influences on a compile that cargo does not check
#   $6        a unique name of this compile
#   $7        names of earlier compiles, separated by blanks, during which no input changed
#   $8        a script to run during the first compile in the target directory, or nothing
#   $9        how many pairs follow: a local package, and a digest of what it is compiled from
#   then      the command
#
# stdin is a pipe that the packager keeps open: when it ends, the packager is gone and the compile ends too.
# stdout is a line with three lengths, then three texts of these lengths: the files that the units read, cargo's
# messages about what it made, and the units that images keep; then the binary.
# Run by `sh -c`: POSIX, only coreutils, findutils, grep, and setsid and flock of util-linux.
set -u
target=$1 binary=$2 start=$3 flag=$4 surroundings=$5 compile=$6 settled=$7 along=$8 pairs=$9
shift 9
state=$target/.lambda-packager
downloads=${CARGO_HOME:-${HOME:-}/.cargo}
# For each package in this target directory: the digest that it was compiled from, and the last compile that
# may have compiled it again.
known=$state/known
mkdir -p "$known" || exit 1

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
if [ "$start" = wipe ] || [ "$(cat "$state/surroundings" 2>/dev/null)" != "$surroundings" ]; then
  rm -f "$known"/* && rm -rf "$state"/kept* "$state/surroundings.kept" "${target:?}"/* && echo "$surroundings" >"$state/surroundings" || exit 1
fi
hex='[0-9a-f]'
hash=$hex$hex$hex$hex$hex$hex$hex$hex$hex$hex$hex$hex$hex$hex$hex$hex
dropped=
while [ "$pairs" -gt 0 ]; do
  was='' by=''
  if [ -e "$known/$1" ]; then read -r was by <"$known/$1"; fi
  case " $settled " in *" $by "*) ;; *) was='' ;; esac
  if [ "$was" = "$2" ]; then
    # Cargo may compile it again anyway, for example because of a newer date.
    echo "$2 $compile" >"$known/$1"
  else
    rm -f "$known/$1"
    # shellcheck disable=SC2086 # $hash is a pattern
    rm -rf "$target"/*/.fingerprint/"$1"-$hash "$target"/*/*/.fingerprint/"$1"-$hash \
      "$target"/*/build/"$1"-$hash "$target"/*/*/build/"$1"-$hash || exit 1
    dropped="$dropped $1 $2"
  fi
  shift 2
  pairs=$((pairs - 1))
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
rm -f "$binary" "$binary.d" || exit 1

# In its own session, so that all its processes can be ended together. Its messages go through `cat`, which
# joins them: cargo writes line by line, and each write would wake every process up to the packager.
# Its stdout is for programs if JSON messages were requested, otherwise for people.
rm -rf "$state/code" "$state/along"
: >"$state/units"
{
  exec 3<&0 4>&1
  case " $* " in *" --message-format=json-render-diagnostics "*) exec 4>"$state/units" ;; esac
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
grep -v '^{' "$state/units" >&2
read -r code <"$state/code" && [ "$code" = 0 ] || exit "${code:-1}"
# Flags can make cargo build something else or in another folder: then there is no output.
[ -e "$binary" ] || exit 0

# shellcheck disable=SC2086 # a list of words
set -- $dropped
while [ "$#" -gt 0 ]; do
  echo "$2 $compile" >"$known/$1"
  shift 2
done

# The dep-info of the binary names the files of local packages that were read; the dep-info of the units names
# the unit that read them; the output of build scripts has their `rerun-if-changed`. Downloaded files are no
# inputs, but other files that downloaded crates read are.
find "$target" \( -name incremental -o -path "$state" \) -prune -o \( -path '*/deps/*.d' -o -path '*/build/*/*.d' \) \
  -exec grep -h -m 1 ': ' {} + >"$state/rules"
{
  printf %s "$(head -n 1 "$binary.d")"
  grep -F -e ": $downloads/" "$state/rules" | grep -o ': .*' | grep -o ' [^ ]*' | grep -v -F -e " $downloads/" | tr -d '\n'
  echo
  grep -v -F -e ": $downloads/" "$state/rules"
  find "$target" -path "$state" -prune -o -path '*/build/*/output' -exec grep -e '^cargo::*rerun-if-changed=' /dev/null {} +
} >"$state/read"
# The run of another function may be adding to this file.
: >>"$state/kept" && cp "$state/kept" "$state/told"
length() { wc -c <"$state/$1"; }
# shellcheck disable=SC2046 # three words
echo $(length read) $(length units) $(length told) && cd "$state" && cat read units told "$binary"
