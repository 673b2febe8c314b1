# Waits until the bench is gone, however it went, and removes what it made.
#
#   $1       the bench's folder
#   $2       the label of its containers
#   $3...    images of the borrowed toolchain that were there before it
#
# stdin is a pipe that the bench holds open. Sent to `sh -c`.
set -u
folder=$1 label=$2
shift 2
trap '' HUP INT TERM
cat >/dev/null

own=
for pidfile in "$folder"/*/pid; do
  [ -s "$pidfile" ] || continue
  [ "$pidfile" != "$folder/engine/pid" ] || own=1
  pid=$(cat "$pidfile")
  host=unix://${pidfile%/pid}/docker.sock
  docker --host "$host" ps --all --quiet 2>/dev/null | xargs -r docker --host "$host" rm --force --volumes >/dev/null
  kill "$pid" 2>/dev/null
  tries=300
  # Ended, it may stay a zombie as long as the bench lives; a zombie has no program.
  while readlink "/proc/$pid/exe" >/dev/null && [ "$tries" -gt 0 ]; do
    sleep 0.1
    tries=$((tries - 1))
  done
  kill -KILL "$pid" 2>/dev/null
done
if [ -z "$own" ] && command -v docker >/dev/null; then
  docker ps --all --quiet --filter "label=$label" 2>/dev/null | xargs -r docker rm --force --volumes >/dev/null
  docker volume ls --quiet --filter "label=$label" | xargs -r docker volume rm --force >/dev/null
  docker images --quiet --filter "label=$label" | sort -u | xargs -r docker rmi --force >/dev/null
  for image in $(docker images --quiet --no-trunc lambda-packager-borrowed 2>/dev/null); do
    case " $* " in
      *" $image "*) ;;
      # Without --force: what another project's container uses by now stays.
      *) docker rmi "$image" >/dev/null 2>&1 ;;
    esac
  done
fi
rm -rf "$folder"
