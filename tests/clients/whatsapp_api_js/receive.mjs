// Receives events with the library's own server part, and tells what it made of each.
import { createServer } from "node:http";
import { ActionButtons, ActionList, Body, Button, Interactive, ListSection, Row, Text } from "whatsapp-api-js/messages";
import { FACTS, client, tell } from "./common.mjs";

const wa = client();

async function media(file) {
    const { url } = await wa.retrieveMedia(file.id, FACTS.phone_id);
    const bytes = Buffer.from(await (await wa.fetchMedia(url)).arrayBuffer());
    return { mime_type: file.mime_type, bytes: bytes.length, head: bytes.subarray(0, 4).toString("hex") };
}

wa.on.message = async ({ message, contact, name, reply, received, offload }) => {
    offload(async () => {
        const more = { id: message.id, from: contact, name };
        for (const kind of ["image", "video", "audio", "document", "sticker"]) {
            if (message[kind]) {
                more[kind] = await media(message[kind]);
                more.caption = message[kind].caption;
                more.filename = message[kind].filename;
                more.voice = message[kind].voice;
            }
        }
        tell(`message ${message.type}`, true, { ...more, message });
        if (message.text?.body === "please reply") {
            await reply(new Text("replied"), true);
            await received();
        }
        if (message.text?.body === "please offer") {
            await reply(new Interactive(new ActionButtons(new Button("yes:1", "Yes"), new Button("no:1", "No")), new Body("Yes or no?")));
            await reply(new Interactive(new ActionList("Choose", new ListSection("Today", new Row("10", "Ten", "in the morning"))), new Body("When?")));
        }
    });
};
wa.on.status = ({ status, id, contact, biz_opaque_callback_data: tracker, error }) => {
    tell(`status ${status}`, true, { id, contact, tracker, code: error?.code });
};

const server = createServer(async (request, response) => {
    if (request.method === "POST") {
        response.statusCode = await wa.handle_post(request);
        tell("delivery", response.statusCode === 200, { status: response.statusCode });
        response.end();
    } else {
        try {
            response.end(wa.handle_get(request));
        } catch (status) {
            response.statusCode = status;
            response.end();
        }
    }
});
server.listen(FACTS.port, "127.0.0.1", () => tell("listening"));
// The end of standard input ends the driver.
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
