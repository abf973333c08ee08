"""Templates: declared, looked up, sent, changed, deleted."""

from common import FACTS, check, client, refused
from pywa.types.templates import (
    AuthenticationBody,
    AuthenticationFooter,
    BodyText,
    Buttons,
    CopyCodeOTPButton,
    FooterText,
    HeaderText,
    ParamFormat,
    PhoneNumberButton,
    QuickReplyButton,
    Template,
    TemplateCategory,
    TemplateLanguage,
    TemplateStatus,
    URLButton,
)

wa = client()
to = FACTS["to"]


def accepted(sent):
    return sent.id.startswith("wamid.") and len(sent.id) <= 128


header = HeaderText("Order {{1}}", "17")
body = BodyText("Hello {{1}}, your order {{2}} is on its way.", "Ana", "17")
later, link = QuickReplyButton(text="Later"), URLButton(text="Track", url="https://example.com/{{1}}", example="17")
order = Template(
    name="order_sent",
    category=TemplateCategory.UTILITY,
    language=TemplateLanguage.ENGLISH_US,
    parameter_format=ParamFormat.POSITIONAL,
    components=[header, body, FooterText(text="Thank you"), Buttons(buttons=[later, link, PhoneNumberButton(text="Call", phone_number="+15550100")])],
)
made = check("created", lambda: wa.create_template(order), lambda t: t.id.isdigit() and t.status == TemplateStatus.APPROVED and t.category == TemplateCategory.UTILITY)
named = BodyText("Sale until {{end}}!", end="Friday")
sale = Template(
    name="sale", category=TemplateCategory.MARKETING, language=TemplateLanguage.POLISH, parameter_format=ParamFormat.NAMED, components=[named]
)
check("created with names", lambda: wa.create_template(sale), lambda t: t.id.isdigit())
login = Template(
    name="login",
    category=TemplateCategory.AUTHENTICATION,
    language=TemplateLanguage.ENGLISH_US,
    components=[AuthenticationBody(add_security_recommendation=True), AuthenticationFooter(code_expiration_minutes=5), Buttons(buttons=[CopyCodeOTPButton(text="Copy")])],
)
check("created for codes", lambda: wa.create_template(login), lambda t: t.id.isdigit())
refused("created twice", 100, lambda: wa.create_template(order))

check("listed", lambda: list(wa.get_templates()), lambda all: sorted(t.name for t in all) == ["login", "order_sent", "sale"])
check("listed by name", lambda: list(wa.get_templates(name="sale")), lambda all: [t.name for t in all] == ["sale"])
check("listed by category", lambda: list(wa.get_templates(categories=[TemplateCategory.UTILITY])), lambda all: [t.name for t in all] == ["order_sent"])
if made is not None:
    check(
        "read",
        lambda: wa.get_template(made.id),
        lambda t: t.id == made.id and t.name == "order_sent" and t.parameter_format == ParamFormat.POSITIONAL and len(t.components) == 4,
    )
check(
    "sent",
    lambda: wa.send_template(
        to,
        template=order,
        params=[header.params("17"), body.params("Ana", "17"), later.params(callback_data="later", index=0), link.params(url_variable="17", index=1)],
    ),
    accepted,
)
check("sent with names", lambda: wa.send_template(to, "sale", TemplateLanguage.POLISH, [BodyText.params(end="Friday")]), accepted)
check(
    "sent with a code",
    lambda: wa.send_template(to, "login", TemplateLanguage.ENGLISH_US, [AuthenticationBody.params(otp="123456"), CopyCodeOTPButton.params(otp="123456")]),
    accepted,
)
check(
    "sent as marketing",
    lambda: wa.send_template(to, "sale", TemplateLanguage.POLISH, [BodyText.params(end="Friday")], use_mm_lite_api=True),
    accepted,
)
refused("a template of nobody", 132001, lambda: wa.send_template(to, "nothing", TemplateLanguage.ENGLISH_US, []))
refused("another language", 132001, lambda: wa.send_template(to, "sale", TemplateLanguage.GERMAN, [BodyText.params(end="Friday")]))
refused("too few parameters", 132000, lambda: wa.send_template(to, "order_sent", TemplateLanguage.ENGLISH_US, [{"type": "header", "parameters": [{"type": "text", "text": "17"}]}, {"type": "body", "parameters": [{"type": "text", "text": "Ana"}]}]))

if made is not None:
    check("changed", lambda: wa.update_template(made.id, new_components=[BodyText("Now {{1}}", "then")]), lambda t: t.id == made.id or t)
    check("read after that", lambda: wa.get_template(made.id), lambda t: len(t.components) == 1)
check("deleted", lambda: wa.delete_template("order_sent"), bool)
check("listed without it", lambda: list(wa.get_templates()), lambda all: sorted(t.name for t in all) == ["login", "sale"])
refused("sent after that", 132001, lambda: wa.send_template(to, "order_sent", TemplateLanguage.ENGLISH_US, [body.params("Ana", "17")]))
