# Checks that the toolchain that the engine mounted is the one of the packager's machine, and runs the command.
#
#   mounted.sh DIGEST FILES COMMAND...
#
# FILES are the paths of files of it, a line for each. DIGEST is the SHA-256 of their sizes, a line for each, and of the
# first 64 KiB of each. Exit status 77: these are other files, and nothing was done.
# Run by `sh -c`: POSIX, only coreutils.
set -u
found=$(
  IFS='
'
  set -f
  # shellcheck disable=SC2086 # lines
  set -- $2
  { stat -L -c %s -- "$@" && head -q -c 65536 -- "$@"; } 2>/dev/null | sha256sum
)
[ "${found%% *}" = "$1" ] || exit 77
shift 2
exec "$@"
