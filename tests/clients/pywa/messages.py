"""Texts, reactions and read marks, and what is refused."""

from common import FACTS, check, client, refused

wa = client()
to = FACTS["to"]
incoming = FACTS["incoming"]


def accepted(sent):
    return sent.id.startswith("wamid.") and len(sent.id) <= 128


check("text", lambda: wa.send_message(to, "Zażółć 🦆 *bold*", preview_url=True), accepted)
check("text to a number with a plus", lambda: wa.send_text("+" + to, "with a plus"), accepted)
check("text that replies", lambda: wa.send_message(to, "a reply", reply_to_message_id=incoming), accepted)
check("text with a tracker", lambda: wa.send_message(to, "tracked", tracker="order 17"), accepted)
check("reaction", lambda: wa.send_reaction(to, "👍", incoming), accepted)
check("reaction taken back", lambda: wa.remove_reaction(to, incoming), accepted)
check("read mark", lambda: wa.mark_message_as_read(incoming), bool)
check("typing", lambda: wa.indicate_typing(incoming), bool)

refused("a text that is too long", 100, lambda: wa.send_message(to, "x" * 4097))
refused("a message to the business itself", 131021, lambda: wa.send_message(FACTS["phone_number"], "me"))
refused("a number that is none", 131009, lambda: wa.send_message("+12", "nobody"))
refused("a token of nobody", 190, lambda: client(token="wrong").send_message(to, "x"))
