"""Sets the address of the number for a receiver that does not do so itself."""

from common import FACTS, check, client

wa = client()


def register():
    return wa.api.set_phone_alternate_callback_url(
        phone_id=FACTS["phone_id"],
        override_callback_uri=f"http://127.0.0.1:{FACTS['port']}/{FACTS.get('path', '')}",
        verify_token=FACTS["verify_token"],
    )


check("registered", register, lambda result: result["success"])
