// What the drivers share: the facts they are told, and how they tell what they saw.
import { WhatsAppAPI } from "whatsapp-api-js/middleware/node-http";

export const FACTS = JSON.parse(process.env.WAXSEAL_FACTS);

// Not through a stream that the end of the process could cut off.
import { writeSync } from "node:fs";

export function tell(check, ok = true, more = {}) {
    writeSync(1, JSON.stringify({ check, ok, ...more }) + "\n");
}

/** Does something, and tells whether it worked and whether `expect` holds of what came of it. */
export async function check(name, action, expect = () => true) {
    try {
        const result = await action();
        const ok = !result?.error && !!expect(result);
        tell(name, ok, ok ? {} : { why: JSON.stringify(result)?.slice(0, 2000) });
        return ok ? result : undefined;
    } catch (error) {
        tell(name, false, { why: `${error} ${error?.cause ?? ""}`.slice(0, 2000) });
        return undefined;
    }
}

/** Does something that has to be refused with a code. */
export async function refused(name, code, action) {
    try {
        const result = await action();
        tell(name, result?.error?.code === code, { why: JSON.stringify(result)?.slice(0, 2000) });
    } catch (error) {
        tell(name, false, { why: String(error) });
    }
}

export const accepted = (result) => result.messages[0].id.startsWith("wamid.") && result.contacts[0].input !== undefined;

/** The library's client as its users make it. */
export function client(more = {}) {
    return new WhatsAppAPI({ token: FACTS.token, appSecret: FACTS.app_secret, webhookVerifyToken: FACTS.verify_token, v: "v24.0", ...more });
}
