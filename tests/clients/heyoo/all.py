"""Everything heyoo does for a number, but for receiving."""

import pathlib
import shutil

from common import FACTS, check, tell
from heyoo import WhatsApp

wa = WhatsApp(FACTS["token"], phone_number_id=FACTS["phone_id"])
to = FACTS["to"]
work = pathlib.Path(FACTS["work"])
link = f"{FACTS['public']}/a.png"


def accepted(answer):
    return answer["messages"][0]["id"].startswith("wamid.") and answer["contacts"][0]["wa_id"] == to


def refused(name, code, action):
    answer = action()
    tell(name, answer["error"]["code"] == code, why=f"{answer}"[:2000])


check("text", lambda: wa.send_message("Zażółć 🦆", to), accepted)
check("reply", lambda: wa.reply_to_message(FACTS["incoming"], to, "a reply"), accepted)
check("reaction", lambda: wa.send_reaction("👍", FACTS["incoming"], to), accepted)
# Degrees are texts here, as its documentation has them.
check("location", lambda: wa.send_location("-23.564", "-46.654", "Office", "Main street 1", to), accepted)
card = {
    "addresses": [{"street": "Main street 1", "city": "Lublin", "state": "", "zip": "20-001", "country": "Poland", "country_code": "pl", "type": "HOME"}],
    "birthday": "1990-02-03",
    "emails": [{"email": "ana@example.com", "type": "WORK"}],
    "name": {"formatted_name": "Ana Żak", "first_name": "Ana", "last_name": "Żak", "middle_name": "", "suffix": "", "prefix": ""},
    "org": {"company": "Example", "department": "Sales", "title": "Head"},
    "phones": [{"phone": "+48 555 0100", "type": "WORK", "wa_id": "485550100"}],
    "urls": [{"url": "https://example.com", "type": "WORK"}],
}
check("contacts", lambda: wa.send_contacts([card], to), accepted)
ids = {}
# It guesses the type by the name.
for name, kind in [("a.png", "image/png"), ("a.mp3", "audio/mpeg"), ("a.mp4", "video/mp4"), ("a.pdf", "application/pdf")]:
    path = shutil.copy(pathlib.Path(FACTS["files"]) / kind.replace("/", "-"), work / name)
    uploaded = check(f"upload of {name}", lambda: wa.upload_media(str(path)), lambda answer: answer["id"].isdigit())
    ids[name] = uploaded and uploaded["id"]
check("image by its id", lambda: wa.send_image(ids["a.png"], to, caption="żółć", link=False), accepted)
check("image by its link", lambda: wa.send_image(link, to), accepted)
check("audio", lambda: wa.send_audio(ids["a.mp3"], to, link=False), accepted)
check("video", lambda: wa.send_video(ids["a.mp4"], to, link=False), accepted)
check("document", lambda: wa.send_document(ids["a.pdf"], to, link=False), accepted)
url = check("lookup", lambda: wa.query_media_url(ids["a.png"]), lambda url: url.startswith("https://"))
fetched = work / "fetched"
check("fetched", lambda: wa.download_media(url, "image/png", str(fetched)), lambda name: pathlib.Path(name).read_bytes() == (work / "a.png").read_bytes())
check("deleted", lambda: wa.delete_media(ids["a.png"]), lambda answer: answer["success"])
check("lookup after that", lambda: wa.query_media_url(ids["a.png"]), lambda url: url is None)
rows = [{"id": "a", "title": "A", "description": ""}, {"id": "b", "title": "B", "description": "the second"}]
chosen = {"header": "Question", "body": "Which?", "footer": "Please", "action": {"button": "Choose", "sections": [{"title": "One", "rows": rows}]}}
check("list", lambda: wa.send_button(chosen, to), accepted)
pressed = {"type": "button", "body": {"text": "Yes?"}, "action": {"buttons": [{"type": "reply", "reply": {"id": "yes", "title": "Yes"}}]}}
check("buttons", lambda: wa.send_reply_button(pressed, to), accepted)
check("anything", lambda: wa.send_custom_json({"messaging_product": "whatsapp", "type": "audio", "audio": {"id": ids["a.mp3"]}}, to), accepted)
components = [
    {"type": "header", "parameters": [{"type": "text", "text": "17"}]},
    {"type": "body", "parameters": [{"type": "text", "text": "Ana"}, {"type": "text", "text": "17"}]},
    {"type": "button", "sub_type": "quick_reply", "index": 0, "parameters": [{"type": "payload", "payload": "later"}]},
    {"type": "button", "sub_type": "url", "index": 1, "parameters": [{"type": "text", "text": "17"}]},
]
check("template", lambda: wa.send_template("order_sent", to, components), accepted)
check("read mark", lambda: wa.mark_as_read(FACTS["incoming"]), lambda answer: answer["success"])
refused("a template of nobody", 132001, lambda: wa.send_template("nothing", to, components=[]))
refused("a number that is none", 131009, lambda: wa.send_message("x", "+12"))
refused("a token of nobody", 190, lambda: WhatsApp("wrong", phone_number_id=FACTS["phone_id"]).send_message("x", to))
