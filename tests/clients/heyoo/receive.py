"""Receives events and tells what heyoo reads out of each. It brings no server: its users write one."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from common import FACTS, tell
from heyoo import WhatsApp

wa = WhatsApp(FACTS["token"], phone_number_id=FACTS["phone_id"])
READERS = {
    "text": wa.get_message,
    "interactive": wa.get_interactive_response,
    "location": wa.get_location,
    "image": wa.get_image,
    "video": wa.get_video,
    "audio": wa.get_audio,
    "document": wa.get_document,
}


class Hook(BaseHTTPRequestHandler):
    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        said = parse_qs(urlsplit(self.path).query)
        good = said["hub.verify_token"] == [FACTS["verify_token"]]
        self.answer(200 if good else 403, said["hub.challenge"][0].encode() if good else b"")

    def do_POST(self):
        data = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(200)
        try:
            self.tell(data)
        except Exception as error:  # noqa: BLE001
            tell("event", False, why=f"{type(error).__name__}: {error} in {data}")

    def tell(self, data):
        who = {"mobile": wa.get_mobile(data), "name": wa.get_name(data), "field": wa.changed_field(data)}
        if not wa.is_message(data):
            tell(f"status {wa.get_delivery(data)}", **who)
            return
        kind = wa.get_message_type(data)
        read = READERS[kind](data)
        tell(f"message {kind}", id=wa.get_message_id(data), timestamp=wa.get_message_timestamp(data), said=read, **who)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", FACTS["port"]), Hook)
threading.Thread(target=server.serve_forever, daemon=True).start()
tell("listening")
# The end of standard input ends the driver.
sys.stdin.read()
