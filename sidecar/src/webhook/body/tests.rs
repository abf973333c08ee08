use waxseal_content::MediaKind;

use super::*;
use crate::{
    id::Wamid,
    message::{FailureReason, InboundBody, InboundContext, InboundMedia, Quoted},
};

fn account() -> Account {
    Account::new(&NumberFacts {
        phone_number: "+15550100".to_owned(),
        phone_number_id: "106540352242922".to_owned(),
        waba_id: "102290129340398".to_owned(),
        app_id: "670843887433847".to_owned(),
        display_name: "Sample Shop".to_owned(),
        connected: true,
        pin_enabled: true,
        webhook_url: None,
    })
}

fn consumer() -> PhoneNumber {
    PhoneNumber::parse("+15550101").unwrap()
}

fn wamid(token: &str) -> Wamid {
    Wamid::parse(&format!("wamid.{token}")).unwrap()
}

fn message(body: InboundBody) -> InboundMessage {
    InboundMessage {
        from: consumer(),
        profile_name: Some(Text::from("Ada Löwe")),
        user_id: "US.13491208655302741918".to_owned(),
        identity_key_hash: None,
        wamid: wamid("aW5ib3VuZA"),
        timestamp_s: 1_749_416_383,
        body,
        context: None,
    }
}

fn status(status: Status) -> StatusUpdate {
    StatusUpdate {
        wamid: wamid("b3V0Ym91bmQ"),
        recipient: consumer(),
        user_id: "US.13491208655302741918".to_owned(),
        status,
        timestamp_s: 1_750_030_073,
        opaque_callback_data: None,
        identity_key_hash: None,
    }
}

fn text_of(body: serde_json::Result<Zeroizing<Vec<u8>>>) -> String {
    String::from_utf8(body.unwrap().to_vec()).unwrap()
}

const HEAD: &str = concat!(
    r#"{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":{"messaging_product":"whatsapp","#,
    r#""metadata":{"display_phone_number":"15550100","phone_number_id":"106540352242922"},"#,
);
const TAIL: &str = r#"]},"field":"messages"}]}]}"#;
const CONTACT: &str =
    r#""contacts":[{"profile":{"name":"Ada L\u00f6we"},"wa_id":"15550101","user_id":"US.13491208655302741918"}],"messages":["#;
const MESSAGE: &str = r#""from":"15550101","from_user_id":"US.13491208655302741918","id":"wamid.aW5ib3VuZA","timestamp":"1749416383","#;
const STATUS_CONTACT: &str =
    r#""contacts":[{"profile":{"name":"15550101"},"wa_id":"15550101","user_id":"US.13491208655302741918"}],"statuses":["#;

#[test]
fn a_text() {
    let body = text_of(account().message(&message(InboundBody::Text(Text::from("Grüße / me@example.com 👋")))));
    let member = r#""text":{"body":"Gr\u00fc\u00dfe / me@example.com \ud83d\udc4b"},"type":"text"}"#;
    assert_eq!(body, format!("{HEAD}{CONTACT}{{{MESSAGE}{member}{TAIL}"));
}

#[test]
fn an_answer_to_a_message() {
    let mut answer = message(InboundBody::Text(Text::from("yes")));
    answer.context = Some(InboundContext {
        quoted: Some(Quoted {
            wamid: wamid("cXVvdGVk"),
            from: PhoneNumber::parse("+15550100").unwrap(),
        }),
        forwarded: false,
    });
    let context = r#""context":{"from":"15550100","id":"wamid.cXVvdGVk"},"#;
    assert_eq!(
        text_of(account().message(&answer)),
        format!(r#"{HEAD}{CONTACT}{{{context}{MESSAGE}"text":{{"body":"yes"}},"type":"text"}}{TAIL}"#)
    );
}

#[test]
fn a_reaction_and_its_removal() {
    for (emoji, member) in [
        ("👍", r#"{"message_id":"wamid.b3V0Ym91bmQ","emoji":"\ud83d\udc4d"}"#),
        ("", r#"{"message_id":"wamid.b3V0Ym91bmQ"}"#),
    ] {
        let body = text_of(account().message(&message(InboundBody::Reaction {
            message: wamid("b3V0Ym91bmQ"),
            emoji: Text::from(emoji),
        })));
        assert_eq!(
            body,
            format!(r#"{HEAD}{CONTACT}{{{MESSAGE}"reaction":{member},"type":"reaction"}}{TAIL}"#)
        );
    }
}

/// Readers with types want it of a document, and know it of nothing else.
#[test]
fn the_name_of_a_file() {
    let member = |kind: MediaKind, filename: Option<&str>| {
        let media = InboundMedia {
            kind,
            id: "1166846181421424".to_owned(),
            url: None,
            mime_type: Text::from("application/pdf"),
            sha256: [7; 32],
            caption: None,
            filename: filename.map(Text::from),
            voice: false,
            animated: false,
        };
        let body = text_of(account().message(&message(InboundBody::Media(Box::new(media)))));
        let read: serde_json::Value = serde_json::from_str(&body).unwrap();
        read["entry"][0]["changes"][0]["value"]["messages"][0][kind.as_str()]["filename"].clone()
    };
    assert_eq!(member(MediaKind::Document, Some("a.pdf")), "a.pdf");
    assert_eq!(member(MediaKind::Document, None), "Untitled");
    for kind in [MediaKind::Image, MediaKind::Audio, MediaKind::Video, MediaKind::Sticker] {
        assert!(member(kind, Some("a")).is_null());
    }
}

#[test]
fn a_new_identity() {
    let body = text_of(account().message(&message(InboundBody::IdentityChanged {
        hash: "DF2lS5v2W6x=".to_owned(),
        at_s: 1_749_416_383,
    })));
    let member = concat!(
        r#""system":{"body":"The security code of this consumer has changed.","identity":"DF2lS5v2W6x=","customer":"15550101","#,
        r#""type":"customer_identity_changed"},"#,
        r#""identity":{"acknowledged":false,"created_timestamp":"1749416383","hash":"DF2lS5v2W6x="},"type":"system"}"#,
    );
    assert_eq!(body, format!("{HEAD}{CONTACT}{{{MESSAGE}{member}{TAIL}"));
}

#[test]
fn something_unknown() {
    let errors = concat!(
        r#""errors":[{"code":131051,"title":"Unsupported message type","message":"Unsupported message type","#,
        r#""error_data":{"details":"Message type is not currently supported"},"#,
        r#""href":"https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"}],"type":"unsupported"}"#,
    );
    assert_eq!(
        text_of(account().message(&message(InboundBody::Unsupported))),
        format!("{HEAD}{CONTACT}{{{MESSAGE}{errors}{TAIL}")
    );
}

/// A body that readers refuse for its depth is one that the business never gets over: it answers no 200.
#[test]
fn cards_that_are_nested_too_deeply_for_readers() {
    for (depth, kind) in [(10, "contacts"), (31, "contacts"), (32, "unsupported"), (120, "unsupported")] {
        let json = format!(r#"[{{"a":{}{}}}]"#, "[".repeat(depth), "]".repeat(depth));
        let cards = waxseal_content::Contacts {
            cards_json: Text::new(json),
        };
        let body = text_of(account().message(&message(InboundBody::Contacts(cards))));
        let read: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(read["entry"][0]["changes"][0]["value"]["messages"][0]["type"], kind, "{depth}");
    }
}

#[test]
fn statuses() {
    for (update, word) in [(Status::Sent, "sent"), (Status::Delivered, "delivered"), (Status::Read, "read")] {
        let member = format!(
            r#"{{"id":"wamid.b3V0Ym91bmQ","status":"{word}","timestamp":"1750030073","recipient_id":"15550101","recipient_user_id":"US.13491208655302741918"}}"#
        );
        assert_eq!(
            text_of(account().status(&status(update))),
            format!("{HEAD}{STATUS_CONTACT}{member}{TAIL}")
        );
    }
}

#[test]
fn a_failure_says_why() {
    let mut update = status(Status::Failed(FailureReason::Expired));
    update.opaque_callback_data = Some(Text::from("order 7 ä"));
    let member = concat!(
        r#"{"id":"wamid.b3V0Ym91bmQ","status":"failed","timestamp":"1750030073","recipient_id":"15550101","#,
        r#""recipient_user_id":"US.13491208655302741918","biz_opaque_callback_data":"order 7 \u00e4","#,
        r#""errors":[{"code":131026,"title":"Message undeliverable","message":"Message undeliverable","#,
        r#""error_data":{"details":"The message expired: it could not be delivered within the retention time."},"#,
        r#""href":"https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"}]}"#,
    );
    assert_eq!(text_of(account().status(&update)), format!("{HEAD}{STATUS_CONTACT}{member}{TAIL}"));
    let every = [
        FailureReason::UnknownRecipient,
        FailureReason::NoKeys,
        FailureReason::CouldNotDecrypt,
        FailureReason::Expired,
        FailureReason::RelayRefused,
        FailureReason::PairRateLimited,
        FailureReason::Internal,
    ];
    let mut details: Vec<&str> = every.into_iter().map(|reason| error::of(reason).details()).collect();
    details.sort_unstable();
    details.dedup();
    assert_eq!(details.len(), every.len(), "each reason has its own words");
}
