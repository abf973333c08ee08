use super::*;

fn peer() -> PhoneNumber {
    PhoneNumber::parse("+15550100").unwrap()
}

fn text(text: &str) -> Body {
    Body::Text {
        body: text.into(),
        preview_url: false,
    }
}

fn shown(model: &Model, n: usize) -> (&str, bool) {
    match &model.items[n] {
        Item::Message(message) => (&message.text, message.edited),
        Item::Notice(_) => ("", false),
    }
}

#[test]
fn only_the_writer_changes_a_message() {
    let mut model = Model::new(peer());
    model.apply(Event::Message(incoming(1)), 0);
    model.queued(id(2), text("mine"), Some(id(1)), 0);
    let edited = |message_id| Event::Edited {
        from: peer(),
        message_id,
        text: "changed".into(),
        caption: false,
        edit_id: id(9),
        applied: true,
    };
    model.apply(edited(id(1)), 0);
    model.apply(edited(id(2)), 0);
    assert_eq!([shown(&model, 0), shown(&model, 1)], [("changed", true), ("mine", false)]);
    model.queued(id(3), Body::Revoke { message_id: id(1) }, None, 0);
    assert_eq!(shown(&model, 0), ("changed", true));
    model.queued(id(3), Body::Revoke { message_id: id(2) }, None, 0);
    assert_eq!(shown(&model, 1), ("[taken back]", false));
    assert!(matches!(&model.items[1], Item::Message(message) if message.quoted.as_deref() == Some("hi")));
}

fn id(n: u8) -> MessageId {
    MessageId::new([n; 16])
}

fn status(model: &Model, n: usize) -> Option<Status> {
    match &model.items[n] {
        Item::Message(message) => message.status,
        Item::Notice(_) => None,
    }
}

fn receipt(kind: ReceiptKind, ids: &[MessageId]) -> Event {
    Event::Receipt {
        from: peer(),
        kind,
        message_ids: ids.to_vec(),
    }
}

#[test]
fn ticks_never_go_backwards() {
    let steps = || {
        [
            Event::Sent {
                to: peer(),
                message_id: id(1),
            },
            receipt(ReceiptKind::Delivered, &[id(1)]),
            receipt(ReceiptKind::Read, &[id(1)]),
            Event::Failed {
                to: peer(),
                message_id: id(1),
                reason: Failure::Undecryptable,
            },
        ]
    };
    // Every order of the four, including those that cannot happen.
    for order in 0..24 {
        let mut left: Vec<Event> = steps().into();
        let mut model = Model::new(peer());
        model.queued(id(1), text("x"), None, 0);
        let mut seen = status(&model, 0);
        let mut code = order;
        for choices in (1..=4).rev() {
            model.apply(left.remove(code % choices), 0);
            code /= choices;
            assert!(status(&model, 0) >= seen, "order {order}");
            seen = status(&model, 0);
        }
        assert_eq!(seen, Some(Status::Read));
    }
}

#[test]
fn others_cannot_move_our_ticks() {
    let mut model = Model::new(peer());
    model.queued(id(1), text("x"), None, 0);
    let other = PhoneNumber::parse("+15550999").unwrap();
    model.apply(
        Event::Receipt {
            from: other,
            kind: ReceiptKind::Read,
            message_ids: vec![id(1)],
        },
        0,
    );
    assert_eq!(status(&model, 0), Some(Status::Pending));
    assert_eq!(model.pending(), 1);
}

#[test]
fn typing_ends_by_time_or_by_a_message() {
    let mut model = Model::new(peer());
    model.apply(Event::Typing { from: peer() }, 1_000);
    assert!(model.is_typing(1_000) && model.is_typing(25_999) && !model.is_typing(26_000));
    model.apply(Event::Message(incoming(1)), 2_000);
    assert!(!model.is_typing(2_001));
}

#[test]
fn what_was_shown_is_marked_once() {
    let mut model = Model::new(peer());
    model.apply(Event::Message(incoming(1)), 0);
    model.apply(Event::Message(incoming(2)), 0);
    assert_eq!(model.take_unread(), [id(1), id(2)]);
    assert!(model.take_unread().is_empty());
}

#[test]
fn the_list_is_bounded_and_still_finds_its_messages() {
    let mut model = Model::new(peer());
    for n in 0..10_000_u32 {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&n.to_be_bytes());
        model.queued(MessageId::new(bytes), text("x"), None, 0);
        if n % 3 == 0 {
            model.notice("n");
        }
        model.apply(
            Event::Sent {
                to: peer(),
                message_id: MessageId::new(bytes),
            },
            0,
        );
        assert!(model.items.len() < 2 * KEPT);
    }
    assert_eq!(model.pending(), 0);
}

fn incoming(n: u8) -> waxseal_consumer::Incoming {
    waxseal_consumer::Incoming {
        from: peer(),
        message_id: id(n),
        body: text("hi"),
        sent_at_ms: 0,
        received_at_ms: 0,
        sender_name: None,
        context: None,
    }
}
