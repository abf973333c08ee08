// Everything this library does for a number, but for receiving.
import { readFileSync } from "node:fs";
import { TemplateDefinition, buildTemplateSendPayload } from "@kapso/whatsapp-cloud-api";
import { FACTS, accepted, check, client, refused } from "./common.mjs";

const wa = client();
const { messages, media, templates, phoneNumbers } = wa;
const phone = { phoneNumberId: FACTS.phone_id };
const them = { ...phone, to: FACTS.to };
const account = { businessAccountId: FACTS.waba_id };
const link = `${FACTS.public}/a.png`;
const succeeded = (result) => result.success === true;

await check("text", () => messages.sendText({ ...them, body: "Zażółć 🦆", previewUrl: true }), accepted);
await check("reply", () => messages.sendText({ ...them, body: "a reply", contextMessageId: FACTS.incoming, bizOpaqueCallbackData: "order 17" }), accepted);
await check("text to a user id", () => messages.sendText({ ...phone, recipient: FACTS.user_id, body: "by id" }), (result) => result.contacts[0].userId === FACTS.user_id);
await check("image", () => messages.sendImage({ ...them, image: { link, caption: "żółć" } }), accepted);
await check("location", () => messages.sendLocation({ ...them, location: { latitude: -33.45, longitude: -70.66, name: "Santiago", address: "CL" } }), accepted);
const card = {
    name: { formattedName: "Ana Żak", firstName: "Ana" },
    phones: [{ phone: "+48 555 0100", type: "WORK", waId: "485550100" }],
    emails: [{ email: "ana@example.com" }],
    org: { company: "Example" },
    birthday: "1990-02-03",
    addresses: [{ street: "Main street 1", countryCode: "pl" }],
};
await check("contacts", () => messages.sendContacts({ ...them, contacts: [card] }), accepted);
await check("reaction", () => messages.sendReaction({ ...them, reaction: { messageId: FACTS.incoming, emoji: "👍" } }), accepted);
await check("read mark", () => messages.markRead({ ...phone, messageId: FACTS.incoming, typingIndicator: { type: "text" } }), succeeded);
const buttons = [{ id: "yes", title: "Yes" }, { id: "no", title: "No" }];
await check("buttons", () => messages.sendInteractiveButtons({ ...them, header: { type: "image", image: { link } }, bodyText: "Yes?", footerText: "Please", buttons }), accepted);
await check("list", () => messages.sendInteractiveList({ ...them, bodyText: "Which?", buttonText: "Choose", sections: [{ title: "One", rows: [{ id: "a", title: "A", description: "the first" }] }] }), accepted);
await check("link button", () => messages.sendInteractiveCtaUrl({ ...them, bodyText: "See", parameters: { displayText: "Open", url: "https://example.com/x?y=z" } }), accepted);
await check("location request", () => messages.sendInteractiveLocationRequest({ ...them, bodyText: "Where?", parameters: { requestMessage: "Where?" } }), accepted);
const cards = [0, 1].map((cardIndex) => ({ cardIndex, header: { type: "image", image: { link } }, bodyText: "A card", action: { displayText: "View", url: "https://example.com/one" } }));
await check("carousel", () => messages.sendInteractiveCarousel({ ...them, bodyText: "Which?", cards }), accepted);
await check("flow", () => messages.sendInteractiveFlow({ ...them, bodyText: "Begin", parameters: { flowId: "123456", flowCta: "Start", flowToken: "t-1", flowAction: "navigate", flowActionPayload: { screen: "FIRST" } } }), accepted);
// There are no catalogues here.
await refused("catalogue", 131009, () => messages.sendInteractiveCatalogMessage({ ...them, bodyText: "b", parameters: { thumbnailProductRetailerId: "sku-1" } }));

const png = readFileSync(`${FACTS.files}/image-png`);
const uploaded = await check("upload", () => media.upload({ ...phone, type: "image", file: new Blob([png], { type: "image/png" }), fileName: "żółć.png" }), (result) => /^\d+$/.test(result.id));
const mediaId = uploaded?.id;
await check("lookup", () => media.get({ mediaId }), (found) => found.id === mediaId && found.mimeType === "image/png" && Number(found.fileSize) === png.length && found.sha256);
// Left to itself it asks hosts that are not its makers' without the token.
await check("fetched", () => media.download({ mediaId, auth: "always" }), (bytes) => Buffer.from(bytes).equals(png));
await check("image by its id", () => messages.sendImage({ ...them, image: { id: mediaId } }), accepted);
await check("deleted", () => media.delete({ mediaId, ...phone }), succeeded);
await refused("lookup after that", 100, () => media.get({ mediaId }));

const sale = TemplateDefinition.buildTemplateDefinition({
    name: "kapso_sale",
    language: "en_US",
    category: "MARKETING",
    parameterFormat: "NAMED",
    components: [
        { type: "HEADER", format: "TEXT", text: "Our {{sale_name}} is on!", example: { headerTextNamedParams: [{ paramName: "sale_name", example: "Summer" }] } },
        { type: "BODY", text: "Until {{end_date}}.", example: { bodyTextNamedParams: [{ paramName: "end_date", example: "Friday" }] } },
        { type: "FOOTER", text: "Tap below" },
        { type: "BUTTONS", buttons: [{ type: "QUICK_REPLY", text: "Unsubscribe" }] },
    ],
});
const made = await check("template", () => templates.create({ ...account, ...sale }), (result) => result.status === "APPROVED" && /^\d+$/.test(result.id));
const code = { type: "OTP", otpType: "COPY_CODE" };
const login = TemplateDefinition.buildTemplateDefinition({
    name: "kapso_login",
    language: "en_US",
    category: "AUTHENTICATION",
    messageSendTtlSeconds: 60,
    components: [{ type: "BODY", addSecurityRecommendation: true }, { type: "FOOTER", codeExpirationMinutes: 10 }, { type: "BUTTONS", buttons: [code] }],
});
await check("template with a code", () => templates.create({ ...account, ...login }), (result) => result.id);
await check("templates are read", () => templates.list({ ...account, limit: 1 }), (page) => page.data.length === 1 && page.paging.cursors.after && page.paging.next);
await check("template is read", () => templates.get({ ...account, templateId: made.id }), (found) => found.name === "kapso_sale" && found.components.length === 4);
const filled = buildTemplateSendPayload({
    name: "kapso_sale",
    language: "en_US",
    header: { type: "text", text: "Sale", parameterName: "sale_name" },
    body: [{ type: "text", text: "Friday", parameterName: "end_date" }],
    buttons: [{ type: "button", subType: "quick_reply", index: 0, parameters: [{ type: "payload", payload: "STOP" }] }],
});
await check("template is sent", () => messages.sendTemplate({ ...them, template: filled }), (result) => result.messages[0].messageStatus === "accepted");
await check("template is deleted", () => templates.delete({ ...account, name: "kapso_sale" }), succeeded);
await refused("a template of nobody", 132001, () => messages.sendTemplate({ ...them, template: filled }));

await check("settings", () => phoneNumbers.settings.get(phone), (settings) => settings.storageConfiguration.status === "DEFAULT");
await check("profile is changed", () => phoneNumbers.businessProfile.update({ ...phone, about: "Our shop", websites: ["https://example.com/"] }), succeeded);
await check("profile", () => phoneNumbers.businessProfile.get(phone), (page) => page.data[0].about === "Our shop");
await check("code is asked for", () => phoneNumbers.requestCode({ ...phone, codeMethod: "SMS", language: "en_US" }), succeeded);
await refused("code that is wrong", 136025, () => phoneNumbers.verifyCode({ ...phone, code: "000000" }));
await refused("a token of nobody", 190, () => client({ accessToken: "wrong" }).messages.sendText({ ...them, body: "x" }));
