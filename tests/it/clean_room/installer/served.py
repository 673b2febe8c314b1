"""Runs a command while /distribution is served on loopback."""

import functools
import http.server
import subprocess
import sys
import threading

handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory="/distribution")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8000), handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.exit(subprocess.call(sys.argv[1:]))
