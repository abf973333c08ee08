"""Flows: created, changed, published, sent, deprecated, deleted."""

import httpx
from common import FACTS, check, client, refused
from pywa import types
from pywa.types import flows

wa = client()
to = FACTS["to"]


def screen(name, *children):
    return flows.Screen(id=name, title="Zażółć", layout=flows.Layout(children=list(children)), terminal=True)


def document(heading="Hello"):
    complete = flows.Footer(label="Done", on_click_action=flows.CompleteAction(payload={}))
    return flows.FlowJSON(version="7.1", screens=[screen("ASK", flows.TextHeading(text=heading), complete)])


made = check("created", lambda: wa.create_flow("feedback", [flows.FlowCategory.SURVEY]), lambda f: f.id.isdigit() and f.success)
refused("created twice", 100, lambda: wa.create_flow("feedback", [flows.FlowCategory.SURVEY]))
refused("published without a document", 139002, lambda: wa.publish_flow(made.id))
wrong = {"version": "7.1", "screens": [{"id": "ASK", "layout": {"type": "SingleColumnLayout", "children": [{"type": "Nothing"}]}}]}
check(
    "a document with errors",
    lambda: wa.update_flow_json(made.id, wrong),
    lambda r: r.success and r.validation_errors[0].error == "INVALID_PROPERTY_VALUE" and r.validation_errors[0].line_start > 1,
)
check("errors are kept", lambda: wa.get_flow(made.id), lambda f: f.validation_errors and f.validation_errors[0].error_type == "FLOW_JSON_ERROR")
refused("published with errors", 139002, lambda: wa.publish_flow(made.id))
check("a document without", lambda: wa.update_flow_json(made.id, document()), lambda r: r.success and not r.validation_errors)
check("renamed", lambda: wa.update_flow_metadata(made.id, name="feedback two", categories=[flows.FlowCategory.OTHER]), bool)
check(
    "read",
    lambda: wa.get_flow(made.id, phone_number_id=FACTS["phone_id"]),
    lambda f: f.id == made.id and f.name == "feedback two" and f.status == flows.FlowStatus.DRAFT and f.json_version == "7.1"
    and f.categories == (flows.FlowCategory.OTHER,) and f.validation_errors is None and f.updated_at and f.preview.url and f.preview.expires_at
    and f.whatsapp_business_account.id == FACTS["waba_id"] and f.application.id == FACTS["app_id"]
    and f.health_status["entities"][0]["entity_type"] == "FLOW",
)
assets = check("assets", lambda: list(wa.get_flow_assets(made.id)), lambda all: [a.name for a in all] == ["flow.json"] and all[0].type == "FLOW_JSON")
if assets:
    # As its users do: with whatever fetches addresses, and without a token.
    check("fetched", lambda: httpx.get(assets[0].url).text, lambda content: content == document().to_json())


def button(**more):
    return types.FlowButton(title="Start", flow_token="t-1", flow_message_version="3", flow_action_type="navigate", flow_action_screen="ASK", **more)


refused("sent as a draft that it is not said to be", 131009, lambda: wa.send_message(to, "Fill in", buttons=button(flow_id=made.id)))
check("sent as a draft", lambda: wa.send_message(to, "Fill in", buttons=button(flow_id=made.id, mode=flows.FlowStatus.DRAFT)), lambda m: m.id)
check("published", lambda: wa.publish_flow(made.id), bool)
check("sent", lambda: wa.send_message(to, "Fill in", buttons=button(flow_id=made.id)), lambda m: m.id)
refused("changed after that", 139001, lambda: wa.update_flow_json(made.id, document("Bye")))
refused("deleted after that", 139004, lambda: wa.delete_flow(made.id))
copy = check(
    "cloned and published",
    lambda: wa.create_flow("copy", [flows.FlowCategory.OTHER], flow_json=document(), publish=True),
    lambda f: f.success and f.validation_errors is None,
)
draft = check("cloned", lambda: wa.create_flow("draft", [flows.FlowCategory.OTHER], clone_flow_id=made.id), lambda f: f.success)
check("listed", lambda: list(wa.get_flows()), lambda all: [f.name for f in all] == ["feedback two", "copy", "draft"] and all[2].json_version == "7.1")
check("listed in pages", lambda: list(wa.get_flows(pagination=types.Pagination(limit=2))), lambda all: len(all) == 2)
check("deprecated", lambda: wa.deprecate_flow(made.id), bool)
refused("deprecated twice", 139003, lambda: wa.deprecate_flow(made.id))
check("deleted", lambda: wa.delete_flow(draft.id), bool)
check("listed without it", lambda: list(wa.get_flows()), lambda all: [f.status.value for f in all] == ["DEPRECATED", "PUBLISHED"])
