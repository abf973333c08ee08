// Files: uploaded, looked up, fetched, sent in every way, deleted.
import { readFileSync } from "node:fs";
import { Audio, Document, Header, Image, Interactive, ActionButtons, Body, Button, Sticker, Video } from "whatsapp-api-js/messages";
import { FACTS, accepted, check, client, refused } from "./common.mjs";

const wa = client();
const { phone_id: phone, to } = FACTS;
const send = (message) => wa.sendMessage(phone, to, message);

async function upload(kind) {
    const form = new FormData();
    form.set("file", new Blob([readFileSync(`${FACTS.files}/${kind.replace("/", "-")}`)], { type: kind }), "żółć");
    return wa.uploadMedia(phone, form);
}

const ids = {};
for (const kind of ["image/png", "image/jpeg", "image/webp", "audio/ogg", "audio/mpeg", "video/mp4", "application/pdf", "text/plain"]) {
    ids[kind] = (await check(`upload of ${kind}`, () => upload(kind), (result) => /^\d+$/.test(result.id)))?.id;
}
const png = readFileSync(`${FACTS.files}/image-png`);
const found = await check("lookup", () => wa.retrieveMedia(ids["image/png"], phone), (m) => m.id === ids["image/png"] && m.mime_type === "image/png" && Number(m.file_size) === png.length && m.messaging_product === "whatsapp" && m.sha256);
await check("fetched", async () => Buffer.from(await (await wa.fetchMedia(found.url)).arrayBuffer()), (bytes) => bytes.equals(png));
await check("image by its id", () => send(new Image(ids["image/png"], true, "żółć")), accepted);
await check("image by its link", () => send(new Image(`${FACTS.public}/a.png`, false, "link")), accepted);
await check("document", () => send(new Document(ids["application/pdf"], true, "see", "żółć.pdf")), accepted);
await check("video", () => send(new Video(ids["video/mp4"], true, "moving")), accepted);
await check("audio", () => send(new Audio(ids["audio/mpeg"], true)), accepted);
await check("voice", () => send(new Audio(ids["audio/ogg"], true, true)), accepted);
await check("sticker", () => send(new Sticker(ids["image/webp"], true)), accepted);
await check("buttons under an image", () => send(new Interactive(new ActionButtons(new Button("yes", "Yes")), new Body("Yes?"), new Header(new Image(ids["image/png"], true)))), accepted);
await check("deleted", () => wa.deleteMedia(ids["image/png"], phone), (result) => result.success);
await refused("lookup after that", 100, () => wa.retrieveMedia(ids["image/png"]));
