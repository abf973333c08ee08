//! What a message may say, as it is described.
//!
//! The parsers beside this read requests member by member, so that an error can name the member; the bounds described are theirs.

use serde_json::Value;
use utoipa::{
    ToSchema,
    openapi::{Object, ObjectBuilder, Type, schema::SchemaType},
};

use super::{
    super::shape::{Product, one_of, text},
    HASH_CHARS, OPAQUE_CHARS, TEXT_CHARS, contacts,
    interactive::{self, FOOTER_CHARS, HEADER_CHARS, LIST_BODY_CHARS},
    media::{CAPTION_CHARS, FILENAME_CHARS, PLACE_CHARS},
    template::NAME_CHARS,
};

/// A message, or a mark that one was read.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub(super) struct Send {
    messaging_product: Product,
    #[schema(schema_with = individual)]
    recipient_type: Option<String>,
    /// The consumer's number with its calling code; `+`, spaces and hyphens may be there.
    to: Option<String>,
    /// The consumer's `user_id` instead; `to` wins.
    recipient: Option<String>,
    #[schema(schema_with = kinds)]
    r#type: Option<String>,
    #[schema(inline)]
    context: Option<Context>,
    #[schema(schema_with = opaque)]
    biz_opaque_callback_data: Option<String>,
    #[schema(schema_with = identity)]
    recipient_identity_key_hash: Option<String>,
    text: Option<TextMessage>,
    image: Option<Captioned>,
    audio: Option<Audio>,
    video: Option<Captioned>,
    document: Option<Document>,
    sticker: Option<File>,
    location: Option<Location>,
    #[schema(schema_with = contacts::cards)]
    contacts: Option<Vec<Card>>,
    #[schema(inline)]
    reaction: Option<Reaction>,
    interactive: Option<Interactive>,
    template: Option<TemplateMessage>,
    #[schema(schema_with = read)]
    status: Option<String>,
    /// Of the message that was read.
    message_id: Option<String>,
    #[schema(inline)]
    typing_indicator: Option<Typing>,
}

fn individual() -> Object {
    one_of(&["individual"])
}

fn kinds() -> Object {
    let kinds = [
        "text",
        "image",
        "audio",
        "video",
        "document",
        "sticker",
        "location",
        "contacts",
        "reaction",
        "interactive",
        "template",
    ];
    let word = ObjectBuilder::new().schema_type(Type::String);
    word.enum_values(Some(kinds)).default(Some("text".into())).build()
}

fn opaque() -> Object {
    let opaque = ObjectBuilder::new().schema_type(Type::String).max_length(Some(OPAQUE_CHARS));
    opaque.description(Some("Comes back in the statuses.")).build()
}

fn identity() -> Object {
    let hash = ObjectBuilder::new().schema_type(Type::String);
    let hash = hash.min_length(Some(1)).max_length(Some(HASH_CHARS));
    hash.description(Some("Deliver only while this is the consumer's identity."))
        .build()
}

fn read() -> Object {
    one_of(&["read"])
}

/// The message that is answered.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
struct Context {
    message_id: String,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
struct Typing {
    #[schema(schema_with = as_text)]
    r#type: String,
}

fn as_text() -> Object {
    one_of(&["text"])
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
struct TextMessage {
    #[schema(schema_with = body)]
    body: String,
    preview_url: Option<bool>,
}

fn body() -> Object {
    let body = ObjectBuilder::new().schema_type(Type::String);
    body.min_length(Some(1)).max_length(Some(TEXT_CHARS)).build()
}

/// A file: one that was uploaded, or one to be fetched; not both.
#[derive(ToSchema)]
#[schema(as = FileMessage)]
#[expect(dead_code, reason = "only described")]
struct File {
    /// Of a file that was uploaded.
    id: Option<String>,
    /// From which it is fetched instead.
    #[schema(format = "uri")]
    link: Option<String>,
}

/// A file with words to it.
#[derive(ToSchema)]
#[schema(as = CaptionedMessage)]
#[expect(dead_code, reason = "only described")]
struct Captioned {
    /// Of a file that was uploaded.
    id: Option<String>,
    /// From which it is fetched instead.
    #[schema(format = "uri")]
    link: Option<String>,
    #[schema(schema_with = text::<CAPTION_CHARS>)]
    caption: Option<String>,
}

#[derive(ToSchema)]
#[schema(as = AudioMessage)]
#[expect(dead_code, reason = "only described")]
struct Audio {
    /// Of a file that was uploaded.
    id: Option<String>,
    /// From which it is fetched instead.
    #[schema(format = "uri")]
    link: Option<String>,
    /// Whether it is shown as spoken.
    voice: Option<bool>,
}

#[derive(ToSchema)]
#[schema(as = DocumentMessage)]
#[expect(dead_code, reason = "only described")]
struct Document {
    /// Of a file that was uploaded.
    id: Option<String>,
    /// From which it is fetched instead.
    #[schema(format = "uri")]
    link: Option<String>,
    #[schema(schema_with = text::<CAPTION_CHARS>)]
    caption: Option<String>,
    #[schema(schema_with = text::<FILENAME_CHARS>)]
    filename: Option<String>,
}

/// A place.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
struct Location {
    #[schema(minimum = -90, maximum = 90)]
    latitude: f64,
    #[schema(minimum = -180, maximum = 180)]
    longitude: f64,
    #[schema(schema_with = text::<PLACE_CHARS>)]
    name: Option<String>,
    #[schema(schema_with = text::<PLACE_CHARS>)]
    address: Option<String>,
    url: Option<String>,
}

/// An address card.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub(super) struct Card {
    #[schema(inline)]
    name: Name,
    #[schema(inline)]
    phones: Option<Vec<Phone>>,
    #[schema(inline)]
    emails: Option<Vec<Email>>,
    #[schema(inline)]
    urls: Option<Vec<Url>>,
    #[schema(value_type = Option<Vec<Object>>)]
    addresses: Option<Vec<Value>>,
    #[schema(value_type = Option<Object>)]
    org: Option<Value>,
    #[schema(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    birthday: Option<String>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
struct Name {
    #[schema(schema_with = text::<{ contacts::TEXT_CHARS }>)]
    formatted_name: String,
    first_name: Option<String>,
    last_name: Option<String>,
    middle_name: Option<String>,
    prefix: Option<String>,
    suffix: Option<String>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
struct Phone {
    phone: Option<String>,
    r#type: Option<String>,
    wa_id: Option<String>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
struct Email {
    email: Option<String>,
    r#type: Option<String>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
struct Url {
    url: Option<String>,
    r#type: Option<String>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
struct Reaction {
    message_id: String,
    /// Empty takes it back.
    emoji: String,
}

/// Something to choose from.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
struct Interactive {
    #[schema(schema_with = interactive::kinds)]
    r#type: String,
    /// What there is to choose, by type: see the examples.
    #[schema(value_type = Object)]
    action: Value,
    #[schema(inline)]
    body: Option<Words>,
    #[schema(inline)]
    header: Option<Header>,
    #[schema(inline)]
    footer: Option<Footer>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
struct Words {
    #[schema(schema_with = text::<LIST_BODY_CHARS>)]
    text: String,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
struct Header {
    #[schema(schema_with = header_kinds)]
    r#type: String,
    #[schema(schema_with = text::<HEADER_CHARS>)]
    text: Option<String>,
    image: Option<File>,
    video: Option<File>,
    document: Option<Document>,
}

fn header_kinds() -> Object {
    one_of(&["text", "image", "video", "document"])
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
struct Footer {
    #[schema(schema_with = text::<FOOTER_CHARS>)]
    text: String,
}

/// A template, and what it is to be filled in with.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
struct TemplateMessage {
    #[schema(schema_with = text::<NAME_CHARS>)]
    name: String,
    #[schema(inline)]
    language: Language,
    #[schema(inline)]
    components: Option<Vec<Component>>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
struct Language {
    code: String,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
struct Component {
    /// `header`, `body`, `button`, `carousel` or `limited_time_offer`, in any case.
    r#type: String,
    /// Of a button.
    sub_type: Option<String>,
    #[schema(schema_with = index)]
    index: Option<u32>,
    #[schema(inline)]
    parameters: Option<Vec<Parameter>>,
    /// Of a carousel.
    #[schema(value_type = Option<Vec<Object>>)]
    cards: Option<Vec<Value>>,
}

fn index() -> Object {
    let types = [Type::Integer, Type::String].into_iter().collect::<SchemaType>();
    let index = ObjectBuilder::new().schema_type(types);
    index.description(Some("Of a button, counted from 0.")).build()
}

/// What is put into a place, by type.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
struct Parameter {
    r#type: Option<String>,
    text: Option<String>,
    /// Of a template with named variables.
    parameter_name: Option<String>,
}
