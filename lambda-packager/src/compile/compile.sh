# Runs cargo, and prints the binary on stdout.
#
#   compile.sh FIELD... -- COMMAND...
#
#   --target=DIR            cargo's target directory
#   --binary=FILE           a binary that the command makes; for each of them
#   --wipe                  start with an empty target directory
#   --link-arg=FLAG         a linker flag that is used if the linker knows it; any number of them
#   --own-linker            nothing but the toolchain, the surroundings and the command decides which linker that is
#   --debug=MACHINE         separate the debug information from the one binary, which is for this machine
#   --surroundings=DIGEST   of the influences on a compile that cargo does not check
#   --compile=NAME          a unique name of this compile
#   --sources               print the rule that cargo puts beside each binary: the local files that it is made of
#   --outside               print what was read besides the sources
#   --git                   there is no repository: print what shows that a local build script looked for one
#   --pack-along=SCRIPT     a script to run during the first compile in the target directory
#   --deps=NAME             of the image that may keep the compiled dependencies, if the target directory began empty for it
#
# stdin is a pipe that the packager keeps open: when it ends, the packager is gone and the compile ends too.
# stdout is a line with length and name for each section and one for their sum, then the sections: `read` (rules of dep-info, and
# `rerun-if-changed` of build scripts), `git` (lines of build scripts that looked for a repository), `messages` (cargo's, about what it made), `kept-units` (`= NAME` of the image that may keep
# them, then the units that images keep), `debug` and `dwp` (the debug information, or empty), the binaries, and the rules of `--sources`.
# If one of them is not there, nothing is printed.
# Run by `sh -c`: POSIX, only coreutils, findutils, grep, and setsid and flock of util-linux.
set -u
wipe='' flags='' own='' debug='' along='' deps='' outside='' git='' binaries='' sources=''
line='
'
while [ "$#" -gt 0 ]; do
  field=$1 value=${1#*=}
  shift
  case $field in
    --) break ;;
    --target=*) target=$value ;;
    --binary=*) binaries=$binaries$value$line ;;
    --wipe) wipe=1 ;;
    --link-arg=*) flags="$flags $value" ;;
    --own-linker) own=1 ;;
    --debug=*) debug=$value ;;
    --surroundings=*) surroundings=$value ;;
    --compile=*) compile=$value ;;
    --sources) sources=1 ;;
    --outside) outside=1 ;;
    --git) git=1 ;;
    --pack-along=*) along=$value ;;
    --deps=*) deps=$value ;;
    *) echo "compile.sh: unknown field $field" >&2 && exit 2 ;;
  esac
done
state=$target/.lambda-packager
downloads=${CARGO_HOME:-${HOME:-}/.cargo}
[ -d "$state" ] || mkdir -p "$state" || exit 1

# The step that keeps the compiled units has this lock too.
exec 9>"$state/lock" || exit 1
flock 9 || exit
# It checks with this name whether another compile ran after this one.
echo "$compile" >"$state/compile" || exit 1
was=
if [ -e "$state/surroundings" ]; then read -r was <"$state/surroundings"; fi
if [ -n "$wipe" ] || [ "$was" != "$surroundings" ]; then
  rm -rf "$state/surroundings" "$state"/kept* "$state/surroundings.kept" && rm -rf "${target:?}"/* && echo "$surroundings" >"$state/surroundings" || exit 1
  echo "$deps" >"$state/deps" || exit 1
fi
# A linker that does not know the flag would fail, after minutes. Any of cargo's settings may choose the
# linker, so this compiles an empty program with cargo to find out. Each toolchain has a target directory of its own: there
# the answer stays.
[ -z "$wipe" ] || rm -f "$state"/linker-* || exit 1
for flag in $flags; do
  probe=$state/probe
  mkdir -p "$probe" && echo 'fn main() {}' >"$probe/main.rs" || exit 1
  printf '[package]\nname = "probe"\n[[bin]]\nname = "probe"\npath = "main.rs"\n[workspace]\n' >"$probe/Cargo.toml" || exit 1
  dashes=--
  for word in "$@"; do
    [ "$word" != -- ] || dashes=''
  done
  if (
    # Of the words those that choose the linker: the target, and configuration.
    takes='' ended=''
    for word in "$@"; do
      shift
      case $ended$takes$word in
        1*) continue ;;
        --) ended=1 && continue ;;
        --target=* | --config=* | :*) set -- "$@" "$word" && takes='' ;;
        --config) set -- "$@" "$word" && takes=: ;;
      esac
    done
    links() {
      CARGO_BUILD_BUILD_DIR=$probe cargo rustc --offline "--manifest-path=$probe/Cargo.toml" "--target-dir=$probe" "$@"
    }
    question="$surroundings $flag $*"
    answer=$state/linker-$(printf %s "$question" | cksum | tr ' ' -)
    if [ -n "$own" ] && [ -s "$answer" ]; then
      said=$(cat "$answer")
      case $said in "yes $question") exit 0 ;; "no $question") exit 1 ;; esac
    fi
    if links "$@" -- -C "link-arg=$flag"; then
      echo "yes $question" >"$answer"
      exit 0
    fi
    # It is the flag only if it links without.
    if [ -n "$own" ] && links "$@"; then echo "no $question" >"$answer"; fi
    exit 1
  ) </dev/null >/dev/null 2>&1; then
    # shellcheck disable=SC2086 # empty if the user's own flags have the dashes
    set -- "$@" $dashes -C "link-arg=$flag"
  fi
  rm -rf "$probe"
done
# The output are the binaries of this call of cargo, or nothing.
(
  IFS=$line
  set -f
  set -- "$state/code" "$state/along" "$state/stripped"
  # shellcheck disable=SC2086 # each line is a path
  for binary in $binaries; do set -- "$@" "$binary" "$binary.d" "$binary.dwp"; done
  exec rm -rf -- "$@"
) || exit 1

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
# The output of build scripts, if cargo was told to show it.
grep -v '^{' "$state/messages" >&2
read -r code <"$state/code" && [ "$code" = 0 ] || exit "${code:-1}"
# Flags can make cargo build something else or in another folder: then there is no output.
printf %s "$binaries" | while IFS= read -r binary; do [ -e "$binary" ] || exit; done || exit 0

# What was read besides the sources, such as headers of the machine: the dep-info of all units, and what build scripts
# named.
: >"$state/read"
if [ -n "$outside" ]; then
  # A package may have that name, too.
  find "$target" \( -name incremental ! -path '*/build/incremental' -o -path "$state" \) -prune -o \
    -name '*.d' -exec grep -h -m 1 ': ' {} + -o \( -name output -o -name stdout \) -type f \
    -exec grep -h -e '^cargo::*rerun-if-changed=/' {} + >"$state/read"
fi
# Beside its `out_dir`, cargo keeps what a build script printed:
# https://doc.rust-lang.org/cargo/reference/build-scripts.html#outputs-of-the-build-script
: >"$state/git"
if [ -n "$git" ]; then
  grep '"build-script-executed","package_id":"path+file:' "$state/messages" | grep -o '"out_dir":"[^"]*' | cut -d '"' -f 4 |
    while read -r out; do
      out=${out%/*}
      grep -E -s -h -e '^cargo::?rerun-if-changed=(.*/)?\.git(/|$)' -e '=VERGEN_GIT_[A-Z_]*=VERGEN_IDEMPOTENT_OUTPUT' \
        -e 'not a git repository' "$out/output" "$out/stderr" "$out/stdout" "$out/run/stdout" "$out/run/stderr"
    done >"$state/git"
fi
# The binary that cargo made stays as it is: cargo would take another one for its own.
: >"$state/debug" && : >"$state/dwp" || exit
if [ -n "$debug" ]; then
  tool=$debug-linux-gnu-objcopy
  command -v "$tool" >/dev/null 2>&1 || tool=objcopy
  binary=${binaries%"$line"}
  binaries=$state/stripped/${binary##*/}
  mkdir -p "$state/stripped" || exit
  "$tool" --only-keep-debug "$binary" "$state/debug" && "$tool" --strip-all "$binary" "$binaries" >&2 || exit 79
  if [ -e "$binary.dwp" ]; then cp "$binary.dwp" "$state/dwp" || exit; fi
fi
# The run of another function may be adding to `kept`.
: >>"$state/kept" && { printf '= ' && cat "$state/deps" "$state/kept"; } >"$state/kept-units" && cd "$state" || exit
IFS=$line
set -f
# shellcheck disable=SC2086 # each line is a path
set -- read git messages kept-units debug dwp $binaries
if [ -n "$sources" ]; then
  # shellcheck disable=SC2086
  for binary in $binaries; do set -- "$@" "$binary.d"; done
fi
LC_ALL=C wc -c "$@" && cat "$@"
