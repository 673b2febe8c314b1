# Runs cargo, drops the records it must not trust, and hands the binary over on stdout.
#
#   $1        cargo's target directory
#   $2        the binary cargo will make
#   $3        "wipe" to start without anything compiled before, else "keep"
#   $4        a flag for the linker of the binary, for a smaller zip, if it knows that; or nothing
#   $5        a digest of what reaches every compile without cargo seeing it
#   $6        a name of this compile, like no other's
#   $7        names of former compiles, separated by blanks, during which no input moved
#   $8        a script to run along with the first compile in the target directory, or nothing
#   $9        how many pairs follow: a local package, and a digest of what it is compiled from
#   then      the command
#
# stdin is a pipe that the packager holds open: when it ends, nobody waits for the compile any more.
# stdout is a line with three lengths, then as much text of each: what the units say that they read, what
# cargo says that it made, what images keep of it; then the binary.
# Sent to `sh -c`: POSIX, nothing but coreutils, findutils, grep, and setsid and flock of util-linux.
set -u
target=$1 binary=$2 start=$3 flag=$4 surroundings=$5 compile=$6 settled=$7 along=$8 pairs=$9
shift 9
state=$target/.lambda-packager
downloads=${CARGO_HOME:-${HOME:-}/.cargo}
# What each package in this target directory was compiled from: its digest, and the last compile that
# could have compiled it anew.
known=$state/known
mkdir -p "$known" || exit 1

# One compile at a time: cargo's own lock does not cover what is dropped here.
exec 9>"$state/lock" || exit 1
if ! flock -n 9; then
  echo "    Blocking waiting for another compile in this target directory" >&2
  flock 9 || exit
fi

# Cargo goes by mtime. It is told to forget every package of which the content, or what a compile that
# nobody saw the end of made of it, may be another than in its records. OUT_DIR goes with them: a build
# script finds in it what it left there the last time, and in a clean build nothing.
: >"$state/now"
# Whoever keeps what a compile made has to know whether another one came after it.
echo "$compile" >"$state/compile" || exit 1
if [ -e "$state/ended" ] && [ -n "$(find "$state/ended" -prune -newer "$state/now")" ]; then
  # The clock was set back: what is compiled now would look older than what it has to replace.
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
    # Cargo may compile it anew all the same, if only for a newer mtime.
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
# A linker that does not know the flag would refuse to link, after minutes. Which linker it is may stand in any of
# cargo's settings, so cargo is asked, by a program that does nothing.
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
    # shellcheck disable=SC2086 # none, where the user's own flags have them
    set -- "$@" $dashes -C "link-arg=$flag"
  fi
  rm -rf "$probe"
fi
# What is handed over is what this call of cargo made, or nothing.
rm -f "$binary" "$binary.d" || exit 1

# In a session of its own, so that all it started can be ended with it. What it says is gathered before it
# is sent off: cargo writes line by line, and each write would wake everybody from here to the packager.
# What it says on stdout is for programs, where it was asked to; else for people.
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
  # Holds the lock as long as it may have something to end, should this shell be gone before it.
  (
    cat <&3 9>&-
    # From here on not to be ended with the compile: KILL is for what TERM leaves running.
    trap '' TERM
    if [ -n "$packer" ]; then kill -KILL "-$packer"; fi
    kill -TERM "-$child" && sleep 1 && kill -KILL "-$child"
  ) >/dev/null 2>&1 &
  watch=$!
  wait "$child"
  echo "$?" >"$state/code"
  exec 3<&-
  # What it left running is of no use to anybody.
  kill -KILL "$watch" "-$child" 2>/dev/null
} | cat >&2 9>&-
: >"$state/ended"
# What build scripts print, where cargo was told to show it.
grep -v '^{' "$state/units" >&2
read -r code <"$state/code" && [ "$code" = 0 ] || exit "${code:-1}"
# Flags can make cargo build something else, or somewhere else: then there is nothing to hand over.
[ -e "$binary" ] || exit 0

# shellcheck disable=SC2086 # a list of words
set -- $dropped
while [ "$#" -gt 0 ]; do
  echo "$2 $compile" >"$known/$1"
  shift 2
done

# The dep-info of the binary names what was read of local packages for it, those of the units who read it;
# what build scripts asked to be run again for stands in their output. Downloads are nobody's inputs, but
# what else they have read is.
find "$target" \( -name incremental -o -path "$state" \) -prune -o \( -path '*/deps/*.d' -o -path '*/build/*/*.d' \) \
  -exec grep -h -m 1 ': ' {} + >"$state/rules"
{
  printf %s "$(head -n 1 "$binary.d")"
  grep -F -e ": $downloads/" "$state/rules" | grep -o ': .*' | grep -o ' [^ ]*' | grep -v -F -e " $downloads/" | tr -d '\n'
  echo
  grep -v -F -e ": $downloads/" "$state/rules"
  find "$target" -path "$state" -prune -o -path '*/build/*/output' -exec grep -e '^cargo::*rerun-if-changed=' /dev/null {} +
} >"$state/read"
# Another function's run may be adding to it.
: >>"$state/kept" && cp "$state/kept" "$state/told"
length() { wc -c <"$state/$1"; }
# shellcheck disable=SC2046 # three words
echo $(length read) $(length units) $(length told) && cd "$state" && cat read units told "$binary"
