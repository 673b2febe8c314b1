# Ends a program, and the processes that it runs in a container, when stdin ends: then the packager is gone.
#
#   $1        the program, an engine's command line
#   stdout,
#   stderr    the other ends of its own: read here, so that it does not fail at a message before it has cleaned up
#
# Docker's service ends a build if its client is gone. Podman has no service, and its processes would go on.
# Run by `sh -c`: POSIX, only coreutils. If there is no /proc, the engine runs on another machine.
set -u
trap '' INT TERM HUP QUIT
cat >/dev/null
cat <&1 >/dev/null &
cat <&2 >/dev/null &
here=$(readlink /proc/self/ns/pid)

# Its descendants in another PID namespace.
inside() {
  for child in $(cat "/proc/$1/task"/*/children); do
    [ "$(readlink "/proc/$child/ns/pid")" = "$here" ] || echo "$child"
    inside "$child"
  done
}

# Half a minute: removing a step's container takes seconds on a busy machine; if killed earlier, the container stays.
tries=300 seen=
while [ "$tries" -gt 0 ] && kill -0 "$1"; do
  contained=$(inside "$1")
  if [ -n "$contained" ]; then
    # The program then ends by itself and cleans up.
    # shellcheck disable=SC2086 # a list of words
    kill -KILL $contained
    seen=1
  elif [ -z "$seen" ]; then
    kill -TERM "$1"
  fi
  sleep 0.1
  tries=$((tries - 1))
done
kill -KILL "$1"
