// Templates are sent; this library does not declare them.
import { BodyComponent, BodyParameter, HeaderComponent, HeaderParameter, PayloadComponent, Template, URLComponent } from "whatsapp-api-js/messages";
import { FACTS, accepted, check, client, refused } from "./common.mjs";

const wa = client();
const { phone_id: phone, to } = FACTS;
const send = (message) => wa.sendMessage(phone, to, message);

await check("sent", () => send(new Template("order_sent", "en_US", new HeaderComponent(new HeaderParameter("17")), new BodyComponent(new BodyParameter("Ana"), new BodyParameter("17")), new PayloadComponent("later"), new URLComponent("17"))), accepted);
await check("sent with names", () => send(new Template("sale", "pl", new BodyComponent(new BodyParameter("Friday", "end")))), accepted);
await refused("a template of nobody", 132001, () => send(new Template("nothing", "en_US")));
await refused("too few parameters", 132000, () => send(new Template("order_sent", "en_US", new HeaderComponent(new HeaderParameter("17")), new BodyComponent(new BodyParameter("Ana")))));
