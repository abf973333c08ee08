// Meta's own SDK, version 0.0.5-Alpha: everything it has. What receives events in it falls over at the first one, here as there: of that only
// the handshake is asked for.
import { createRequire } from "node:module";
import { FACTS, check, refused, tell } from "./tell.mjs";

Object.assign(process.env, {
    // Else it looks for a package that it does not bring.
    NODE_ENV: "production",
    M4D_APP_ID: FACTS.app_id,
    M4D_APP_SECRET: FACTS.app_secret,
    WA_PHONE_NUMBER_ID: FACTS.phone_id,
    WA_BUSINESS_ACCOUNT_ID: FACTS.waba_id,
    CLOUD_API_VERSION: "v16.0",
    CLOUD_API_ACCESS_TOKEN: FACTS.token,
    WEBHOOK_ENDPOINT: "hook",
    WEBHOOK_VERIFICATION_TOKEN: FACTS.verify_token,
    LISTENER_PORT: `${FACTS.port}`,
    MAX_RETRIES_AFTER_WAIT: "30",
    REQUEST_TIMEOUT: "20000",
    DEBUG: "false",
});
const WhatsApp = createRequire(import.meta.url)("whatsapp");
const wa = new WhatsApp(Number(FACTS.phone_id));
const { messages } = wa;
const to = Number(FACTS.to);
const said = async (answer) => (await answer).responseBodyToJSON();
const accepted = (result) => result.messages[0].id.startsWith("wamid.") && result.contacts[0].wa_id === FACTS.to;
const file = (name, more = {}) => ({ link: `${FACTS.public}/${name}`, ...more });

await check("text", () => said(messages.text({ body: "Zażółć 🦆", preview_url: false }, to)), accepted);
await check("reply", () => said(messages.text({ body: "a reply" }, to, FACTS.incoming)), accepted);
await check("image", () => said(messages.image(file("a.png", { caption: "żółć" }), to)), accepted);
await check("location", () => said(messages.location({ latitude: 52.2297, longitude: 21.0122, name: "Office", address: "Main street 1" }, to)), accepted);
const card = {
    name: { formatted_name: "Ana Żak", first_name: "Ana", last_name: "Żak" },
    addresses: [{ street: "Main street 1", city: "Lublin", state: "", zip: "20-001", country: "Poland", country_code: "pl", type: "HOME" }],
    birthday: "1990-02-03",
    emails: [{ email: "ana@example.com", type: "WORK" }],
    org: { company: "Example", department: "Sales", title: "Head" },
    phones: [{ phone: "+48 555 0100", wa_id: "485550100", type: "WORK" }],
    urls: [{ url: "https://example.com", type: "WORK" }],
};
await check("contacts", () => said(messages.contacts([card], to)), accepted);
const buttons = [{ type: "reply", reply: { id: "yes", title: "Yes" } }];
await check("buttons", () => said(messages.interactive({ type: "button", header: { type: "image", image: file("a.png") }, body: { text: "Yes?" }, action: { buttons } }, to)), accepted);
const sections = [{ title: "One", rows: [{ id: "a", title: "A", description: "the first" }] }];
await check("list", () => said(messages.interactive({ type: "list", body: { text: "Which?" }, action: { button: "Choose", sections } }, to)), accepted);
const body = { type: "body", parameters: [{ type: "text", text: "Ana" }, { type: "text", text: "17" }] };
const header = { type: "header", parameters: [{ type: "text", text: "17" }] };
const button = (sub_type, index, parameter) => ({ type: "button", sub_type, index, parameters: [parameter] });
const components = [header, body, button("quick_reply", "0", { type: "payload", payload: "later" }), button("url", "1", { type: "text", text: "17" })];
const template = (name) => ({ name, language: { policy: "deterministic", code: "en_US" }, components });
await check("template", () => said(messages.template(template("order_sent"), to)), accepted);
await check("read mark", () => said(messages.status({ status: "read", message_id: FACTS.incoming })), (result) => result.success);
await check("PIN", () => said(wa.twoStepVerification.setPin(123456)), (result) => result.success);
await refused("a template of nobody", 132001, () => said(messages.template(template("nothing"), to)));
await refused("a file that is none", 131053, () => said(messages.audio(file("a.png"), to)));
await refused("a number that is none", 131009, () => said(messages.text({ body: "x" }, 12)));

process.on("uncaughtException", () => {});
wa.webhooks.start(() => {});
tell("listening");
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
