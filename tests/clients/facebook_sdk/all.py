"""facebook-sdk, a library for all of Meta's Graph: it knows no messages, and writes tokens and arguments as parameters."""

import json

from common import FACTS, check, tell
from facebook import GraphAPI, GraphAPIError

VERSION = "3.1"
graph = GraphAPI(FACTS["token"], version=VERSION)
phone, account, app = FACTS["phone_id"], FACTS["waba_id"], FACTS["app_id"]


def message(kind, said, **more):
    return graph.put_object(phone, "messages", messaging_product="whatsapp", to=FACTS["to"], type=kind, **{kind: json.dumps(said)}, **more)


def accepted(answer):
    return answer["messages"][0]["id"].startswith("wamid.") and answer["contacts"][0]["wa_id"] == FACTS["to"]


def refused(name, code, action):
    try:
        tell(name, False, why=f"was not refused: {action()!r}")
    except GraphAPIError as error:
        tell(name, error.code == code, why=f"{error.result}")


check("text", lambda: message("text", {"body": "Zażółć 🦆 & more"}), accepted)
check("reply", lambda: message("text", {"body": "a reply"}, context=json.dumps({"message_id": FACTS["incoming"]})), accepted)
check("image", lambda: message("image", {"link": f"{FACTS['public']}/a.png", "caption": "żółć"}), accepted)
check("read mark", lambda: graph.put_object(phone, "messages", messaging_product="whatsapp", status="read", message_id=FACTS["incoming"]), lambda answer: answer["success"])
check("number", lambda: graph.get_object(phone, fields="id,status,display_phone_number"), lambda node: node["status"] == "CONNECTED")
check("account", lambda: graph.get_object(account, fields="id,name,currency,owner_business"), lambda node: node["id"] == account)
check("numbers", lambda: graph.get_connections(account, "phone_numbers"), lambda page: page["data"][0]["id"] == phone)
check("profile is changed", lambda: graph.put_object(phone, "whatsapp_business_profile", messaging_product="whatsapp", about="Our shop"), lambda answer: answer["success"])
check("profile", lambda: graph.get_connections(phone, "whatsapp_business_profile"), lambda page: page["data"][0]["about"] == "Our shop")


def template(name):
    components = [{"type": "BODY", "text": "Hello {{1}}", "example": {"body_text": [["Ana"]]}}]
    return graph.put_object(account, "message_templates", name=name, language="en_US", category="UTILITY", components=json.dumps(components))


check("template", lambda: template("graph_1"), lambda made: made["status"] == "APPROVED")
check("another", lambda: template("graph_2"), lambda made: made["id"])
# Follows the pages by their addresses.
check("templates", lambda: {each["name"] for each in graph.get_all_connections(account, "message_templates", limit=1)}, lambda names: names == {"graph_1", "graph_2"})
said = {"name": "graph_1", "language": {"code": "en_US"}, "components": [{"type": "body", "parameters": [{"type": "text", "text": "Ana"}]}]}
check("template is sent", lambda: message("template", said), accepted)
check("token of the app", lambda: graph.get_app_access_token(app, FACTS["app_secret"]), lambda token: token)
check("token is looked at", lambda: graph.debug_access_token(FACTS["token"], app, FACTS["app_secret"]), lambda answer: answer["data"]["is_valid"])
refused("a template of nobody", 132001, lambda: message("template", {**said, "name": "nothing"}))
refused("a message that is none", 131008, lambda: message("text", {}))
refused("a token of nobody", 190, lambda: GraphAPI("wrong", version=VERSION).get_object(phone))
