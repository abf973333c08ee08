"""What the drivers share: the facts they are told, and how they tell what they saw."""

import json
import os
import sys
import traceback

FACTS = json.loads(os.environ["WAXSEAL_FACTS"])
# The reading end may be a pipe that another thread writes to as well.
_out = sys.stdout


def tell(check, ok=True, **more):
    _out.write(json.dumps({"check": check, "ok": ok, **more}, default=str) + "\n")
    _out.flush()


def check(name, action, expect=None):
    """Does something, and tells whether it worked and whether `expect` holds of what came of it."""
    try:
        result = action()
        if expect is not None and not expect(result):
            tell(name, False, why=f"not as expected: {result!r}"[:2000])
            return result
        more = {"id": result.id} if isinstance(getattr(result, "id", None), str) else {}
        tell(name, True, **more)
        return result
    except Exception as error:  # noqa: BLE001
        where = traceback.format_exc().strip().splitlines()[-4:]
        tell(name, False, why=f"{type(error).__name__}: {error} {where}"[:2000])
        return None


def refused(name, code, action):
    """Does something that has to be refused with a code."""
    from pywa.errors import WhatsAppError

    try:
        result = action()
        tell(name, False, why=f"was not refused: {result!r}"[:2000])
    except WhatsAppError as error:
        good = error.code == code
        tell(name, good, kind=type(error).__name__, why=f"{error}"[:2000])
    except Exception as error:  # noqa: BLE001
        tell(name, False, why=f"{type(error).__name__}: {error}"[:2000])


def client(**more):
    """The library's client as its users make it."""
    from pywa import WhatsApp

    arguments = {
        "phone_id": FACTS["phone_id"],
        "token": FACTS["token"],
        "waba_id": FACTS["waba_id"],
        "app_id": FACTS["app_id"],
        "app_secret": FACTS["app_secret"],
        "verify_token": FACTS["verify_token"],
    }
    return WhatsApp(**{**arguments, **more})
