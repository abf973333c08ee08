// Places, cards and things to press.
import {
    ActionButtons,
    ActionCTA,
    ActionCatalog,
    ActionList,
    ActionContactRequest,
    ActionLocation,
    ActionNavigateFlow,
    ActionProduct,
    ActionProductList,
    Address,
    Birthday,
    Body,
    Button,
    Contacts,
    Email,
    Footer,
    Header,
    Interactive,
    ListSection,
    Location,
    Name,
    Organization,
    Phone,
    Product,
    ProductSection,
    Row,
    Url,
} from "whatsapp-api-js/messages";
import { FACTS, accepted, check, client, refused } from "./common.mjs";

const wa = client();
const { phone_id: phone, to, incoming } = FACTS;
const send = (message, ...more) => wa.sendMessage(phone, to, message, ...more);

await check("location", () => send(new Location(21.0122, 52.2297, "Office", "Main street 1")), accepted);
await check("contacts", () => {
    const card = [
        new Name("Ana Żak", "Ana", "Żak"),
        new Phone("+48 555 0100", "WORK", "485550100"),
        new Email("ana@example.com", "WORK"),
        new Url("https://example.com", "WORK"),
        new Address("Poland", "pl", "", "Lublin", "Main street 1", "20-001", "HOME"),
        new Organization("Example", "Sales", "Head"),
        new Birthday("1990", "02", "03"),
    ];
    return send(new Contacts(card, card));
}, accepted);
const body = new Body("Which?");
await check("buttons", () => send(new Interactive(new ActionButtons(new Button("yes", "Yes"), new Button("no", "No")), body, new Header("Question"), new Footer("Please")), incoming), accepted);
await check("list", () => send(new Interactive(new ActionList("Choose", new ListSection("One", new Row("a", "A", "the first")), new ListSection("Two", new Row("b", "B"))), body)), accepted);
await check("link button", () => send(new Interactive(new ActionCTA("Open", "https://example.com/x"), body)), accepted);
await check("location request", () => send(new Interactive(new ActionLocation(), body)), accepted);
// There are no catalogues here.
await refused("catalogue", 131009, () => send(new Interactive(new ActionCatalog(new Product("sku-1")), body)));
await refused("product", 131009, () => send(new Interactive(new ActionProduct({ catalog_id: "catalog-1", product_retailer_id: "sku-1" }), body)));
await refused("products", 131009, () => send(new Interactive(new ActionProductList("catalog-1", new ProductSection("Shelf", new Product("sku-1"), new Product("sku-2"))), body, new Header("Things"))));
await check("flow", () => send(new Interactive(new ActionNavigateFlow("t-1", "123456", "Start", "FIRST"), body)), accepted);
await check("contact request", () => send(new Interactive(new ActionContactRequest(), body)), accepted);
