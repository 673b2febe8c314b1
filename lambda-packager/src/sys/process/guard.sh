# Ends a program, and what it runs in a container, when stdin does: nobody waits for it any more.
#
#   $1        the program, an engine's command line
#
# Docker's service ends a build whose client is gone; podman is its own service, and what it started outlives it.
# Sent to `sh -c`: POSIX, nothing but coreutils; where there is no /proc the engine runs on another machine.
set -u
trap '' INT TERM HUP QUIT
cat >/dev/null
here=$(readlink /proc/self/ns/pid)

# Its descendants in another namespace of processes.
inside() {
  for child in $(cat "/proc/$1/task"/*/children); do
    [ "$(readlink "/proc/$child/ns/pid")" = "$here" ] || echo "$child"
    inside "$child"
  done
}

# Half a minute: what undoes a step takes seconds on a busy machine, and killed meanwhile leaves a container.
tries=300 seen=
while [ "$tries" -gt 0 ] && kill -0 "$1"; do
  contained=$(inside "$1")
  if [ -n "$contained" ]; then
    # The program then ends by itself, in order.
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
