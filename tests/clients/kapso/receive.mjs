// Receives events with what the library has for that, and tells what it made of each.
import { createServer } from "node:http";
import { normalizeWebhook, verifySignature } from "@kapso/whatsapp-cloud-api/server";
import { FACTS, client, tell } from "./common.mjs";

const wa = client();

async function told(message) {
    const file = ["image", "video", "audio", "document", "sticker"].map((kind) => message[kind]).find(Boolean);
    if (file) {
        message.bytes = (await wa.media.download({ mediaId: file.id, auth: "always" })).byteLength;
    }
    tell(`message ${message.type}`, true, { message });
}

const server = createServer((request, response) => {
    const query = new URL(request.url, "http://localhost").searchParams;
    if (request.method === "GET") {
        const good = query.get("hub.verify_token") === FACTS.verify_token;
        return response.writeHead(good ? 200 : 403).end(good ? query.get("hub.challenge") : "");
    }
    const pieces = [];
    request.on("data", (piece) => pieces.push(piece));
    request.on("end", async () => {
        const rawBody = Buffer.concat(pieces);
        const signed = verifySignature({ appSecret: FACTS.app_secret, rawBody, signatureHeader: request.headers["x-hub-signature-256"] });
        response.writeHead(signed ? 200 : 401).end();
        tell("delivery", signed);
        const events = normalizeWebhook(JSON.parse(rawBody.toString("utf8")));
        for (const message of events.messages) {
            await told(message);
        }
        for (const status of events.statuses) {
            tell(`status ${status.status}`, true, { status });
        }
    });
});
server.listen(FACTS.port, "127.0.0.1", () => tell("listening"));
// The end of standard input ends the driver.
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
