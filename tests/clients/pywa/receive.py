"""Receives events as the library does, with FastAPI or Flask, and tells what it made of each.

The test says what to do on standard input: `{"do": "reply"}` and the like; the driver tells of each event it got.
"""

import sys
import threading

from common import FACTS, client, tell
from pywa import WhatsApp, types, utils

kind, port, scope = FACTS["server"], FACTS["port"], FACTS["scope"]
if kind == "fastapi":
    from fastapi import FastAPI

    server = FastAPI()
else:
    from flask import Flask

    server = Flask("receiver")
register = WhatsApp._register_callback_url


def registered(self):
    """What the library does after the delay, told."""
    try:
        register(self)
        tell("registered")
    except Exception as error:  # noqa: BLE001
        tell("registered", False, why=f"{type(error).__name__}: {error} {error.__cause__}")


WhatsApp._register_callback_url = registered
wa = client(
    server=server,
    webhook_endpoint="/hook",
    callback_url=f"http://127.0.0.1:{port}",
    callback_url_scope=utils.CallbackURLScope[scope],
    webhook_challenge_delay=1,
)


def people(update):
    user = update.from_user
    return {"wa_id": user.wa_id, "bsuid": user.bsuid, "name": user.name}


def media(file):
    if file is None:
        return None
    content = file.get_bytes()
    return {"mime_type": file.mime_type, "bytes": len(content), "head": content[:4].hex()}


@wa.on_message()
def on_message(_, message):
    said = {
        "id": message.id,
        "type": message.type.value,
        "from": people(message),
        "text": message.text,
        "caption": message.caption,
        "reply_to": message.reply_to_message.id if message.reply_to_message else None,
    }
    for name in ("image", "video", "audio", "document", "sticker"):
        if getattr(message, name, None) is not None:
            said[name] = media(getattr(message, name))
            said["voice"] = getattr(message.audio, "voice", None) if name == "audio" else None
            said["filename"] = getattr(message.document, "filename", None) if name == "document" else None
    if message.location is not None:
        said["location"] = {"latitude": message.location.latitude, "longitude": message.location.longitude, "name": message.location.name, "address": message.location.address}
    if message.contacts is not None:
        said["contacts"] = [contact.name.formatted_name for contact in message.contacts]
    if message.reaction is not None:
        said["reaction"] = {"message_id": message.reaction.message_id, "emoji": message.reaction.emoji}
    if message.order is not None:
        wares = [[ware.sku, ware.quantity, ware.price, ware.currency] for ware in message.order.products]
        said["order"] = {"catalog_id": message.order.catalog_id, "text": message.order.text, "products": wares}
    tell(f"message {message.type.value}", True, **said)
    if message.text == "please reply":
        message.reply_text("replied")
        message.react("👍")
        message.mark_as_read()
    if message.text == "please offer":
        message.reply_text("Yes or no?", buttons=[types.Button(title="Yes", callback_data="yes:1"), types.Button(title="No", callback_data="no:1")])
        rows = [types.SectionRow(title="Ten", callback_data="10", description="in the morning")]
        message.reply_text("When?", buttons=types.SectionList(button_title="Choose", sections=[types.Section(title="Today", rows=rows)]))
    if message.text == "please fail":
        wa.send_message("15559999999", "nobody", tracker="fails")


@wa.on_edited_message()
def on_edit(_, message):
    tell("edited", True, text=message.message.text, original=message.original_message_id)


@wa.on_deleted_message()
def on_delete(_, message):
    tell("deleted", True, original=message.original_message_id)


@wa.on_phone_number_change()
def on_number(_, change):
    tell("number changed", True, old=change.old_wa_id, new=change.new_wa_id, bsuid=change.new_user_id)


@wa.on_callback_button()
def on_button(_, press):
    tell("button", True, data=press.data, title=press.title, reply_to=press.reply_to_message.id)


@wa.on_callback_selection()
def on_selection(_, choice):
    tell("selection", True, data=choice.data, title=choice.title, description=choice.description)


@wa.on_message_status()
def on_status(_, status):
    more = {"id": status.id, "status": status.status.value, "to": people(status), "tracker": status.tracker}
    if status.error is not None:
        more["code"] = status.error.code
    tell(f"status {status.status.value}", True, **more)


@wa.on_raw_update()
def on_raw(_, update):
    tell("raw", True, field=update.field)


def serve():
    if kind == "fastapi":
        import uvicorn

        uvicorn.run(server, host="127.0.0.1", port=port, log_level="warning")
    else:
        server.run(host="127.0.0.1", port=port, threaded=True)


threading.Thread(target=serve, daemon=True).start()
# The end of standard input ends the driver.
sys.stdin.read()
