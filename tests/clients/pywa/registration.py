"""A number's life: codes, two-step PIN, deregistered and registered again, its storage."""

from common import check, client, refused
from pywa.types import others

wa = client()
ours = others.StorageConfiguration


def settings(**storage):
    return wa.update_business_phone_number_settings(storage_configuration=ours(**storage))


refused("storage of a registered number", 131009, lambda: settings(status=others.StorageStatus.NO_STORAGE_ENABLED, retention_minutes=60))
check("deregistered", lambda: wa.deregister_phone_number(), bool)
check("node after that", lambda: wa.get_business_phone_number(), lambda n: n.status != "CONNECTED")
check("code asked for", lambda: wa.request_verification_code(code_method="SMS", language_code="en_US"), bool)
refused("a wrong PIN", 133005, lambda: wa.register_phone_number(pin="000000"))
