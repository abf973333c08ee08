"""Declares the templates that a library sends which cannot declare any."""

from common import check, client
from pywa.types.templates import (
    BodyText,
    Buttons,
    HeaderText,
    ParamFormat,
    QuickReplyButton,
    Template,
    TemplateCategory,
    TemplateLanguage,
    URLButton,
)

wa = client()
order = Template(
    name="order_sent",
    category=TemplateCategory.UTILITY,
    language=TemplateLanguage.ENGLISH_US,
    components=[
        HeaderText("Order {{1}}", "17"),
        BodyText("Hello {{1}}, your order {{2}} is on its way.", "Ana", "17"),
        Buttons(buttons=[QuickReplyButton(text="Later"), URLButton(text="Track", url="https://example.com/{{1}}", example="17")]),
    ],
)
check("order_sent", lambda: wa.create_template(order))
named = BodyText("Sale until {{end}}!", end="Friday")
sale = Template(name="sale", category=TemplateCategory.MARKETING, language=TemplateLanguage.POLISH, parameter_format=ParamFormat.NAMED, components=[named])
check("sale", lambda: wa.create_template(sale))
