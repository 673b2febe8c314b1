# Puts the sources in their places beside a target directory, and runs the command that compiles them.
#
#   receive.sh FIELD... -- COMMAND...
#
#   --state=DIR         of this script; who compiles cannot write there
#   --target=DIR        cargo's target directory
#   --folder=DIR        of the workspace: the command runs there
#   --user=ID           who compiles, if not the caller
#   --visitor=ID        who has shells there
#   --compile=NAME      a unique name of this compile
#   --count=COUNT       the number of this compile
#   --from=NAME         the compile whose sources are expected there; without it, everything is sent
#   --removed=BYTES     the length of each part of stdin: paths to remove, or without `--from` folders to empty;
#   --archive=BYTES     a tar archive, with paths from the root; none if nothing is new;
#   --unpacked          its content is in the folder `archive` of the state instead;
#   --first             no compile was ever made there: everything has the date of the archive
#   --dates=COUNT:BYTES paths that get the date of that compile; repeatable
#   --wipe              the command has to begin with an empty target directory
#   --clean=BYTES       arguments of cargo that remove what it made of changed packages
#   --touch=DIR         without `--archive`, everything is in its place, and changed; repeatable
#
# Paths and arguments are ended by NUL. After these parts, stdin is a pipe that the packager keeps open, for the command.
# Exit status 75: other sources are there than `--from` says, and nothing was changed. 76: the same, because there is no
# tar; there is an empty folder for `--unpacked`.
# Run by `sh -c`: POSIX, only coreutils, findutils, tar, and flock and setpriv of util-linux.
set -u
umask 022
user='' visitor='' compile='' from='' archive='' unpacked='' first='' wipe='' touched='' clean=0 dates=''
while [ "$#" -gt 0 ]; do
  field=$1 value=${1#*=}
  shift
  case $field in
    --) break ;;
    --state=*) state=$value ;;
    --target=*) target=$value ;;
    --folder=*) folder=$value ;;
    --user=*) user=$value ;;
    --visitor=*) visitor=$value ;;
    --compile=*) compile=$value ;;
    --count=*) count=$value ;;
    --from=*) from=$value ;;
    --removed=*) removed=$value ;;
    --archive=*) archive=$value ;;
    --unpacked) unpacked=1 ;;
    --first) first=1 ;;
    --wipe) wipe=1 ;;
    --dates=*) dates="$dates $value" ;;
    --clean=*) clean=$value ;;
    --touch=*) touched=1 && find "$value" -exec touch -c -h {} + || exit 1 ;;
    *) echo "receive.sh: unknown field $field" >&2 && exit 2 ;;
  esac
done
as_user() {
  if [ -n "$user" ]; then as "$user" "$@"; else "$@"; fi
}
as() {
  id=$1
  shift
  setpriv "--reuid=$id" "--regid=$id" --clear-groups -- "$@"
}
[ -d "$state/dates" ] || mkdir -p -m 700 "$state" "$state/dates" || exit 1
[ -d "$target" ] || mkdir -p "$target" || exit 1

# One compile at a time: the sources are those of one function.
exec 9>"$state/lock" || exit 1
if ! flock -n 9; then
  echo "    Blocking waiting for another compile in this target directory" >&2
  flock 9 || exit
fi
# Held by what packs the compiled dependencies, during a compile or after it.
packing=$target/.lambda-packager/lock
is_empty() { # Without a program, since it is usual.
  for left in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    if [ -e "$left" ] || [ -L "$left" ]; then return 1; fi
  done
}
end_processes() { as_user sh -c 'kill -KILL -1' 2>/dev/null; }
if [ -n "$user" ]; then
  chmod 1777 "$target" /tmp || exit 1
  if [ -e "$packing" ]; then flock 8 8<"$packing"; fi
  end_processes
  # What an earlier compile left is nobody's input; what a shell left neither, whose processes live on. Folders may be
  # without a right of their owner's.
  forget='find /tmp /dev/shm -mindepth 1 -type d ! -perm -700 -exec chmod u+rwx {} \;
    find /tmp /dev/shm -mindepth 1 -maxdepth 1 -exec rm -rf {} +'
  if ! { is_empty /tmp && is_empty /dev/shm; }; then
    if [ -n "$visitor" ]; then as "$visitor" sh -c "$forget" 2>/dev/null; fi
    as_user sh -c "$forget" 2>/dev/null
  fi
fi
empty_target() { as_user find "$target" -mindepth 1 -maxdepth 1 -exec rm -rf {} +; }
if [ -n "$touched" ]; then
  # What was made by a clock that was ahead would look newer.
  : >"$state/now"
  [ -z "$(find "$target" -newer "$state/now" 2>/dev/null | head -n 1)" ] || empty_target || exit 1
fi
if [ -n "$archive" ]; then
  was=
  if [ -e "$state/sources" ]; then read -r was <"$state/sources"; fi
  [ -z "$from" ] || [ "$from" = "$was" ] || exit 75
  [ -z "$first" ] || [ ! -e "$state/begun" ] || exit 75
  if [ -z "$unpacked" ] && ! command -v tar >/dev/null; then
    rm -rf "$state/archive" && mkdir -m 700 "$state/archive" && exit 76
    exit 1
  fi
  rm -f "$state/sources" || exit 1
  # A changed file must look newer than all that cargo made before: the clock has to go on, and may be coarse.
  : >"$state/now"
  if [ -e "$state/begun" ]; then
    ended='' made=$target
    read -r begun <"$state/begun"
    if [ -e "$state/ended" ]; then
      read -r ended <"$state/ended"
      [ "$begun" != "$ended" ] || made=$state/ended
    fi
    if [ -n "$(find "$made" -newer "$state/now" 2>/dev/null | head -n 1)" ]; then
      # The clock was set back; of a compile that did not end, since it made something.
      empty_target || exit 1
    elif [ "$made" != "$target" ]; then
      until [ -n "$(find "$state/now" -prune -newer "$state/ended")" ]; do : >"$state/now"; done
    fi
  fi
  if [ -n "$from" ]; then
    if [ "$removed" -gt 0 ]; then head -c "$removed" | xargs -0 rm -rf -- || exit 1; fi
  else
    head -c "$removed" >"$state/emptied" || exit 1
    # Cargo's home has the folder of this script, too.
    empty='mkdir -p "$2" && find "$2" -mindepth 1 -maxdepth 1 ! -path "$1" -exec rm -rf {} +'
    # What a run left that was killed while it filled the container belongs to who compiles, and only to that user.
    if [ -n "$user" ]; then as_user xargs -0 -r -n 1 sh -c "$empty" sh "$state" <"$state/emptied" 2>/dev/null; fi
    xargs -0 -r -n 1 sh -c "$empty" sh "$state" <"$state/emptied" || exit 1
    rm -f "$state/dates"/* || exit 1
  fi
  if [ -n "$first" ]; then touch -d @315532800 "$state/now" || exit 1; fi
  touch -r "$state/now" "$state/dates/$count" || exit 1
  if [ -n "$unpacked" ]; then
    # Without the modes of folders: an engine makes those that the archive does not name. The date is the archive's.
    cd "$state/archive" && find . -mindepth 1 -maxdepth 1 -exec cp -R -P --remove-destination -t / {} + &&
      find . ! -type d -print0 | (cd / && xargs -0 -r touch -c -h -d @315532800) && cd / && rm -rf "$state/archive" || exit 1
  elif [ "$archive" -gt 0 ]; then
    # The modes in it are those that the umask leaves.
    head -c "$archive" | tar -x -o --no-same-permissions -f - -C / || exit 1
  fi
  for date in $dates; do
    head -c "${date#*:}" | xargs -0 -r touch -c -h -r "$state/dates/${date%:*}" -- || exit 1
  done
  # In a target directory without a compile there is nothing to remove.
  if [ "$clean" -gt 0 ] && [ -z "$(ls "$target")" ]; then
    head -c "$clean" >/dev/null || exit 1
  elif [ "$clean" -gt 0 ]; then
    (cd "$folder" && head -c "$clean" | as_user xargs -0 -r cargo >/dev/null 2>&1) || empty_target || exit 1
  fi
  # The next one that compiles begins anew, also if this one ends before.
  if [ -n "$wipe" ]; then as_user rm -f "$target/.lambda-packager/surroundings" || exit 1; fi
  echo "$compile" >"$state/sources" || exit 1
fi
cd "$folder" || exit 1
echo "$compile" >"$state/begun" || exit 1
as_user "$@" 9>&-
code=$?
echo "$compile" >"$state/ended"
# Nothing that the compile started outlives it; what packs ends the rest when it is done.
if [ -n "$user" ] && { [ ! -e "$packing" ] || flock -n 8 8<"$packing"; }; then end_processes; fi
exit "$code"
