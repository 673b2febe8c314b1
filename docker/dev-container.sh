#!/bin/sh
# The former command line for the builder container; it calls the bin `lambda-packager`.
set -u
usage="usage: docker/dev-container.sh start|build|stop|status"
case $#,${1:-} in
  1,start | 1,build | 1,stop | 1,status) ;;
  1,-h | 1,--help)
    echo "$usage"
    exit
    ;;
  *)
    echo "$usage" >&2
    exit 2
    ;;
esac
cd "$(dirname "$0")/.." || exit 2
exec docker/lambda-packager container "$1"
