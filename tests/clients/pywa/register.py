"""Sets the address of the app for a receiver that does not do so itself."""

from common import FACTS, check, client

wa = client()


def register():
    token = wa.api.get_app_access_token(int(FACTS["app_id"]), FACTS["app_secret"])["access_token"]
    return wa.api.set_app_callback_url(
        app_id=int(FACTS["app_id"]),
        access_token=token,
        callback_url=f"http://127.0.0.1:{FACTS['port']}/",
        verify_token=FACTS["verify_token"],
        fields=("messages",),
    )


check("registered", register, lambda result: result["success"])
