"""The number, its account, its profile and its settings."""

import files
import httpx
from common import FACTS, check, client, refused
from pywa import types
from pywa.types import others
from pywa.types.templates import BodyText, HeaderImage, Template, TemplateCategory, TemplateLanguage

wa = client()
phone, waba = FACTS["phone_id"], FACTS["waba_id"]


check(
    "number",
    lambda: wa.get_business_phone_number(),
    lambda n: n.id == phone and n.status == "CONNECTED" and n.verified_name and n.quality_rating and n.throughput["level"]
    and n.platform_type == "CLOUD_API" and n.code_verification_status == "VERIFIED" and n.health_status["can_send_message"] == "AVAILABLE"
    and n.webhook_configuration is not None and n.is_pin_enabled,
)
check("numbers of the account", lambda: list(wa.get_business_phone_numbers()), lambda n: [x.id for x in n] == [phone])
check("account", lambda: wa.get_business_account(), lambda a: a.id == waba and a.name and a.timezone_id)

check(
    "profile is written",
    lambda: wa.update_business_profile(
        about="Żółć and more", address="Main street 1", description="What we do", email="us@example.com",
        industry=types.Industry.RETAIL, websites=["https://example.com", "https://example.org"],
    ),
    bool,
)
check(
    "profile is read",
    lambda: wa.get_business_profile(),
    lambda p: p.about == "Żółć and more" and p.address == "Main street 1" and p.description == "What we do" and p.email == "us@example.com"
    and p.industry == types.Industry.RETAIL and p.websites == ("https://example.com", "https://example.org"),
)
check("profile is emptied", lambda: wa.update_business_profile(description=None, websites=None), bool)
check("profile without it", lambda: wa.get_business_profile(), lambda p: not p.description and not p.websites and p.about == "Żółć and more")
check("profile with a picture", lambda: wa.update_business_profile(profile_picture=files.PNG), bool)
picture = check("picture's address", lambda: wa.get_business_profile().profile_picture_url, lambda url: url.startswith("https://"))
check("picture", lambda: httpx.get(picture).content, lambda content: content == files.PNG)
banner = Template(
    name="banner",
    category=TemplateCategory.MARKETING,
    language=TemplateLanguage.ENGLISH_US,
    components=[HeaderImage(example=files.JPEG), BodyText("Look at this")],
)
check("template with an example", lambda: wa.create_template(banner, app_id=FACTS["app_id"]), lambda t: t.id.isdigit())
check("an example is kept", lambda: next(iter(wa.get_templates(name="banner"))).components[0]._example, lambda handle: handle.startswith("4::"))
content = files.PNG * 3
session = check("session", lambda: wa.api.create_upload_session(FACTS["app_id"], "a.png", len(content), "image/png")["id"], lambda i: i.startswith("upload:"))
refused("half a file", 100, lambda: wa.api.upload_file(session, content[:100]))
check("what is there", lambda: wa.api.get_upload_session(session), lambda s: s == {"id": session, "file_offset": 100})
check("the rest", lambda: wa.api.upload_file(session, content[100:], file_offset=100), lambda done: done["h"].startswith("4::"))
refused("an about text that is too long", 100, lambda: wa.update_business_profile(about="x" * 140))

check("commerce settings are written", lambda: wa.update_commerce_settings(is_catalog_visible=True, is_cart_enabled=False), bool)
check("commerce settings are read", lambda: wa.get_commerce_settings(), lambda s: s.is_catalog_visible and not s.is_cart_enabled)

commands = [types.Command(name="help", description="What can be asked"), types.Command(name="stop", description="No more")]
check("automation is written", lambda: wa.update_conversational_automation(ice_breakers=["Prices?", "Hours?"], commands=commands), bool)
check(
    "automation is read",
    lambda: wa.get_business_phone_number().conversational_automation,
    lambda a: a is not None and a.ice_breakers == ("Prices?", "Hours?") and [c.name for c in a.commands] == ["help", "stop"],
)

check("settings are read", lambda: wa.get_business_phone_number_settings(), lambda s: s.storage_configuration.status == others.StorageStatus.DEFAULT)
identity = others.UserIdentityChangeSettings(enable_identity_key_check=True)
check("settings are written", lambda: wa.update_business_phone_number_settings(user_identity_change=identity), bool)
check("settings are kept", lambda: wa.get_business_phone_number_settings(), lambda s: s.user_identity_change.enable_identity_key_check)

qr = check("code", lambda: wa.create_qr_code("Zażółć 🦆", "PNG"), lambda q: len(q.code) == 14 and q.prefilled_message == "Zażółć 🦆" and q.qr_image_url)
check("code with a drawing", lambda: wa.create_qr_code("hi", "SVG"), lambda q: q.qr_image_url)
if qr is not None:
    check("code is read", lambda: wa.get_qr_code(qr.code), lambda q: q.code == qr.code and q.prefilled_message == "Zażółć 🦆")
    check("codes are read", lambda: list(wa.get_qr_codes()), lambda all: qr.code in [q.code for q in all] and len(all) == 2)
    check("code is changed", lambda: wa.update_qr_code(qr.code, "now"), lambda q: q.code == qr.code and q.prefilled_message == "now")
    check("code is deleted", lambda: wa.delete_qr_code(qr.code), bool)
    check("code is gone", lambda: wa.get_qr_code(qr.code), lambda q: q is None)

to = FACTS["to"]
check("blocked", lambda: wa.block_users([to]), lambda r: [u.wa_id for u in r.added_users] == [to] and not r.failed_users)
check("blocked users", lambda: list(wa.get_blocked_users()), lambda all: len(all) == 1 and all[0].input)
check("unblocked", lambda: wa.unblock_users([to]), lambda r: len(r.removed_users) == 1)
check("no blocked users", lambda: list(wa.get_blocked_users()), lambda all: not all)

app = check("token of the app", lambda: wa.get_app_access_token(int(FACTS["app_id"]), FACTS["app_secret"]), lambda token: len(token) > 8)
refused("token of the app with another secret", 190, lambda: wa.get_app_access_token(int(FACTS["app_id"]), "wrong"))
