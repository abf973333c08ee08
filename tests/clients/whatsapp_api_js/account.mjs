// Codes and blocked users.
import { FACTS, check, client, refused } from "./common.mjs";

const wa = client();
const { phone_id: phone, to } = FACTS;

const made = await check("code", () => wa.createQR(phone, "Hello there"), (qr) => qr.code.length === 14 && qr.prefilled_message === "Hello there" && qr.deep_link_url.endsWith(qr.code) && qr.qr_image_url);
await check("code with a drawing", () => wa.createQR(phone, "hi", "svg"), (qr) => qr.qr_image_url);
await check("code is read", () => wa.retrieveQR(phone, made.code), (found) => found.data[0].code === made.code);
await check("codes are read", () => wa.retrieveQR(phone), (found) => found.data.length === 2);
await check("code is changed", () => wa.updateQR(phone, made.code, "now"), (qr) => qr.prefilled_message === "now");
await check("code is deleted", () => wa.deleteQR(phone, made.code), (result) => result.success);
await check("blocked", () => wa.blockUser(phone, to), (result) => result.block_users.added_users[0].wa_id === to);
await check("unblocked", () => wa.unblockUser(phone, to), (result) => result.block_users.removed_users[0].wa_id === to);
await check("blocked by user id", () => wa.blockUser(phone, { bsuid: FACTS.user_id }), (result) => result.block_users.added_users[0].user_id === FACTS.user_id);
await check("unblocked by user id", () => wa.unblockUser(phone, { bsuid: FACTS.user_id }), (result) => result.block_users.removed_users.length === 1);
await refused("a call", 100, () => wa.initiateCall(phone, to, "v=0"));
