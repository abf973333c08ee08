"""Places, cards and things to press."""

from common import FACTS, check, client, refused
from pywa import types

wa = client()
to = FACTS["to"]
incoming = FACTS["incoming"]


def accepted(sent):
    return sent.id.startswith("wamid.") and len(sent.id) <= 128


check("location", lambda: wa.send_location(to, 52.2297, 21.0122, name="Office", address="Main street 1"), accepted)
check("location without a name", lambda: wa.send_location(to, -33.8, 151.2), accepted)
card = types.Contact(
    name=types.Contact.Name(formatted_name="Ana Żak", first_name="Ana", last_name="Żak"),
    phones=[types.Contact.Phone(phone="+48 555 0100", type="WORK", wa_id="485550100")],
    emails=[types.Contact.Email(email="ana@example.com", type="WORK")],
    urls=[types.Contact.Url(url="https://example.com", type="WORK")],
    addresses=[types.Contact.Address(street="Main street 1", city="Lublin", country="Poland", country_code="pl", type="HOME")],
    org=types.Contact.Org(company="Example", department="Sales", title="Head"),
    birthday="1990-02-03",
)
check("contact", lambda: wa.send_contact(to, card), accepted)
check("contacts", lambda: wa.send_contact(to, [card, card], reply_to_message_id=incoming), accepted)
buttons = [types.Button(title="Yes", callback_data="yes:1"), types.Button(title="No", callback_data="no:1")]
check("buttons", lambda: wa.send_message(to, "Yes or no?", header="Question", footer="Please", buttons=buttons), accepted)
sections = types.SectionList(
    button_title="Choose",
    sections=[
        types.Section(title="One", rows=[types.SectionRow(title="A", callback_data="a", description="the first")]),
        types.Section(title="Two", rows=[types.SectionRow(title="B", callback_data="b")]),
    ],
)
check("list", lambda: wa.send_message(to, "Which?", footer="Of two", buttons=sections), accepted)
check("link button", lambda: wa.send_message(to, "Look", buttons=types.URLButton(title="Open", url="https://example.com/x")), accepted)
check("location request", lambda: wa.request_location(to, "Where are you?"), accepted)
flow = types.FlowButton(title="Start", flow_id="123456", flow_token="t-1", flow_message_version="3", flow_action_type="navigate", flow_action_screen="FIRST")
check("flow", lambda: wa.send_message(to, "Fill in", buttons=flow), accepted)
# There are no catalogues here.
refused("catalogue", 131009, lambda: wa.send_catalog(to, "Our things", "All of them", thumbnail_product_sku="sku-1"))
refused("product", 131009, lambda: wa.send_product(to, "catalog-1", "sku-1", body="This", footer="One"))
products = [types.ProductsSection(title="Shelf", skus=["sku-1", "sku-2"])]
refused("products", 131009, lambda: wa.send_products(to, "catalog-1", products, title="Things", body="These", footer="Two"))
check("contact request", lambda: wa.request_contact_info(to, "Your number?"), accepted)
