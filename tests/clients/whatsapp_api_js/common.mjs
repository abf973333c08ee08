// What the drivers of this library share.
import { WhatsAppAPI } from "whatsapp-api-js/middleware/node-http";
import { FACTS } from "./tell.mjs";

export { FACTS, check, refused, tell } from "./tell.mjs";

export const accepted = (result) => result.messages[0].id.startsWith("wamid.") && result.contacts[0].input !== undefined;

/** The library's client as its users make it. */
export function client(more = {}) {
    return new WhatsAppAPI({ token: FACTS.token, appSecret: FACTS.app_secret, webhookVerifyToken: FACTS.verify_token, v: "v24.0", ...more });
}
