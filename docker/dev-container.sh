#!/bin/sh
# The former command line for the builder container; it calls the bin `lambda-packager`.
set -u
usage() {
  echo "usage: docker/dev-container.sh start|build|stop|status" >&2
  exit 2
}
[ $# = 1 ] || usage
case $1 in
  start | build | stop | status) ;;
  *) usage ;;
esac
cd "$(dirname "$0")/.." || exit 2
exec docker/lambda-packager container "$1"
