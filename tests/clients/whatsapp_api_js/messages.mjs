// Texts, reactions and read marks, and what is refused.
import { Reaction, Text } from "whatsapp-api-js/messages";
import { FACTS, accepted, check, client, refused } from "./common.mjs";

const wa = client();
const { phone_id: phone, to, incoming } = FACTS;
const send = (message, ...more) => wa.sendMessage(phone, to, message, ...more);

await check("text", () => send(new Text("Zażółć 🦆 *bold*", true)), accepted);
await check("text that replies", () => send(new Text("a reply"), incoming), accepted);
await check("text with a tracker", () => send(new Text("tracked"), undefined, "order 17"), accepted);
await check("text to a user id", () => wa.sendMessage(phone, { bsuid: FACTS.user_id }, new Text("by id")), accepted);
await check("reaction", () => send(new Reaction(incoming, "👍")), accepted);
await check("reaction taken back", () => send(new Reaction(incoming)), accepted);
await check("broadcast", () => Promise.all(wa.broadcastMessage(phone, [to, to], new Text("to all"))), (all) => all.every(accepted));
await check("read mark", () => wa.markAsRead(phone, incoming), (result) => result.success);
await check("typing", () => wa.markAsRead(phone, incoming, "text"), (result) => result.success);
await refused("a token of nobody", 190, () => client({ token: "wrong" }).sendMessage(phone, to, new Text("x")));
await refused("a number that is none", 131009, () => wa.sendMessage(phone, "+12", new Text("x")));
