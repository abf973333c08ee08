// Offers something to press, and says so.
import { FACTS, accepted, check, client } from "./common.mjs";

const buttons = [{ id: "yes", title: "Yes" }, { id: "no", title: "No" }];
await check("offer", () => client().messages.sendInteractiveButtons({ phoneNumberId: FACTS.phone_id, to: FACTS.to, bodyText: "Yes or no?", buttons }), accepted);
await check("said", () => client().messages.sendText({ phoneNumberId: FACTS.phone_id, to: FACTS.to, body: "offered" }), accepted);
