// What the drivers of this library share.
import { WhatsAppClient } from "@kapso/whatsapp-cloud-api";
import { FACTS } from "./tell.mjs";

export { FACTS, check, refused, tell } from "./tell.mjs";

export const accepted = (result) => result.messages[0].id.startsWith("wamid.") && result.contacts[0].input !== undefined;

/** The library's client as its users make it. */
export function client(more = {}) {
    return new WhatsAppClient({ accessToken: FACTS.token, ...more });
}
