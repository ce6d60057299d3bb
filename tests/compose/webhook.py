"""Prints each alert that Alertmanager sends, a line of JSON each; a container runs it."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        for alert in json.loads(self.rfile.read(int(self.headers["Content-Length"])))["alerts"]:
            sys.stdout.write(json.dumps(alert) + "\n")
        sys.stdout.flush()
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Only alerts are printed."""


if __name__ == "__main__":
    ThreadingHTTPServer(("0.0.0.0", 8000), _Handler).serve_forever()  # in its container
