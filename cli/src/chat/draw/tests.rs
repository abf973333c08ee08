//! The screen, literally.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use waxseal_consumer::{Body, Event, Failure, Incoming, MessageId, PhoneNumber, ReceiptKind, Stop};

use super::*;

/// 2026-03-05, 10:30 UTC, a Thursday.
const AT: u64 = 1_772_706_600_000;
const MINUTE: u64 = 60_000;

struct Screen {
    model: Model,
    input: Input,
    scroll: usize,
    now_ms: u64,
    places: Vec<Place>,
}

impl Screen {
    fn new() -> Self {
        Self {
            model: Model::new(peer()),
            input: Input::default(),
            scroll: 0,
            now_ms: AT,
            places: Vec::new(),
        }
    }

    fn hears(&mut self, n: u8, text: &str) {
        self.now_ms += MINUTE;
        let message = Incoming {
            from: peer(),
            message_id: id(n),
            body: text_body(text),
            sent_at_ms: 0,
            received_at_ms: self.now_ms,
            sender_name: Some("Shop".into()),
            context: None,
        };
        self.model.apply(Event::Message(message), self.now_ms);
    }

    fn says(&mut self, n: u8, text: &str) {
        self.now_ms += MINUTE;
        self.model.queued(id(n), text_body(text), None, self.now_ms);
    }

    fn told(&mut self, kind: ReceiptKind, n: u8) {
        self.model.apply(
            Event::Receipt {
                from: peer(),
                kind,
                message_ids: vec![id(n)],
            },
            self.now_ms,
        );
    }

    fn drawn(&mut self, columns: u16, rows: u16) -> Terminal<TestBackend> {
        let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
        let zone = TimeZone::UTC;
        terminal
            .draw(|frame| self.places = draw(frame, &self.model, &self.input, &mut self.scroll, &zone, self.now_ms))
            .unwrap();
        terminal
    }

    /// The text of the screen, a line per row, without the spaces behind.
    fn text(&mut self, columns: u16, rows: u16) -> Vec<String> {
        let terminal = self.drawn(columns, rows);
        let buffer = terminal.backend().buffer();
        let mut text = Vec::new();
        for y in 0..rows {
            let mut line = String::new();
            let mut x = 0;
            while x < columns {
                let symbol = buffer[(x, y)].symbol();
                line.push_str(symbol);
                x += u16::try_from(width(symbol).max(1)).unwrap();
            }
            text.push(line.trim_end().to_owned());
        }
        text
    }
}

fn text_body(text: &str) -> Body {
    Body::Text {
        body: text.into(),
        preview_url: false,
    }
}

fn peer() -> PhoneNumber {
    PhoneNumber::parse("+15550100").unwrap()
}

fn id(n: u8) -> MessageId {
    MessageId::new([n; 16])
}

#[test]
fn a_conversation() {
    let mut screen = Screen::new();
    screen.model.apply(Event::Connected { queued: 0 }, AT);
    screen.hears(1, "Hello! Your parcel is at our counter and waits for you to fetch it.");
    screen.says(2, "Great");
    screen.says(3, "I come in the afternoon, after four, when the children are at their training");
    screen.says(4, "ok?");
    screen.says(5, "pending");
    for n in 2..=4 {
        screen.model.apply(
            Event::Sent {
                to: peer(),
                message_id: id(n),
            },
            AT,
        );
    }
    screen.told(ReceiptKind::Delivered, 3);
    screen.told(ReceiptKind::Read, 2);
    screen.model.react(id(1), "❤", true);
    let reaction = Event::Reaction {
        from: peer(),
        message_id: id(3),
        emoji: "👍".into(),
        reaction_id: id(9),
        sent_at_ms: 0,
    };
    screen.model.apply(reaction, AT);
    screen.model.apply(Event::Typing { from: peer() }, screen.now_ms);
    screen.input.insert("see you");
    let expected = [
        " Shop  +15550100                      ● connected",
        "",
        "           ── Thursday, 5 March 2026 ──",
        " 10:31  Hello! Your parcel is at our",
        "        counter and waits for you to",
        "        fetch it.",
        "        └ ❤",
        "                                  Great  10:32 ✓✓",
        "         I come in the afternoon, after",
        "         four, when the children are at",
        "         their training                  10:33 ✓✓",
        "         └ 👍",
        "                                    ok?  10:34 ✓",
        "                                pending  10:35 …",
        " Shop is typing…",
        "› see you",
    ];
    assert_eq!(screen.text(50, 16), expected);
    let terminal = screen.drawn(50, 16);
    let colour = |x, y| terminal.backend().buffer()[(x, y)].fg;
    assert_eq!(
        (colour(47, 7), colour(47, 10)),
        (Color::Blue, Color::Reset),
        "read is blue, delivered is not"
    );
}

#[test]
fn the_cursor_is_where_one_types() {
    let mut screen = Screen::new();
    screen.input.insert("你好");
    let mut terminal = screen.drawn(30, 5);
    terminal.backend_mut().assert_cursor_position(Position::new(6, 4));
    for _ in 0..40 {
        screen.input.insert("x");
    }
    let mut terminal = screen.drawn(30, 5);
    terminal.backend_mut().assert_cursor_position(Position::new(29, 4));
}

#[test]
fn before_anything_happened() {
    let mut screen = Screen::new();
    assert_eq!(
        screen.text(44, 5),
        [
            " +15550100                    ● connecting…",
            "",
            "",
            "",
            "› write a message, or /help",
        ]
    );
    screen.model.apply(
        Event::Disconnected {
            reason: Down::Unreachable,
            retry_in: std::time::Duration::ZERO,
        },
        0,
    );
    assert!(screen.text(60, 5)[0].ends_with("● reconnecting… is `waxseal up` running?"));
}

#[test]
fn notices_and_failures() {
    let mut screen = Screen::new();
    screen.says(1, "hi");
    screen.model.apply(
        Event::Failed {
            to: peer(),
            message_id: id(1),
            reason: Failure::UnknownNumber,
        },
        AT,
    );
    screen.model.apply(Event::IdentityChanged { peer: peer() }, AT);
    screen.model.apply(Event::Stopped { reason: Stop::Displaced }, AT);
    let expected = [
        " +15550100                                        ● stopped",
        "",
        "                ── Thursday, 5 March 2026 ──",
        "                                               hi  10:31 ✗",
        "  not sent: nobody is registered under this number; check",
        "  --to",
        "  the safety number has changed: the other side",
        "  re-installed, or is somebody else; /safety shows it",
        "  this number was opened elsewhere, which has the",
        "  connection now; close the other one, or take another",
        "  --as",
        "",
        "› write a message, or /help",
    ];
    assert_eq!(screen.text(60, 13), expected);
}

#[test]
fn days_are_parted_and_old_lines_are_a_key_away() {
    let mut screen = Screen::new();
    screen.hears(1, "yesterday");
    screen.now_ms += 24 * 60 * MINUTE;
    for n in 2..8 {
        screen.hears(n, &format!("line {n}"));
    }
    let end = [
        " Shop  +15550100            ● connecting…",
        " 10:34  line 4",
        " 10:35  line 5",
        " 10:36  line 6",
        " 10:37  line 7",
        "",
        "› write a message, or /help",
    ];
    assert_eq!(screen.text(42, 7), end);
    screen.scroll = 1_000;
    let top = [
        " Shop  +15550100            ● connecting…",
        "       ── Thursday, 5 March 2026 ──",
        " 10:31  yesterday",
        "        ── Friday, 6 March 2026 ──",
        " 10:32  line 2",
        " ↓ 5 lines below (End)",
        "› write a message, or /help",
    ];
    assert_eq!(screen.text(42, 7), top);
    assert_eq!(screen.scroll, 5, "no further than the beginning");
}

#[test]
fn wide_text_keeps_its_columns() {
    let mut screen = Screen::new();
    screen.says(1, "你好世界，今天天气很好");
    screen.hears(2, "e\u{301}te\u{301} 👩‍👩‍👧 ok");
    let expected = [
        " Shop  +15550100  ● connecting…",
        "",
        "  ── Thursday, 5 March 2026 ──",
        "     你好世界，今天天",
        "     气很好            10:31 …",
        " 10:32  e\u{301}te\u{301} 👩‍👩‍👧 ok",
        "",
        "› write a message, or /help",
    ];
    assert_eq!(screen.text(32, 8), expected);
}

#[test]
fn any_size_will_do() {
    let mut screen = Screen::new();
    for n in 0..30 {
        screen.hears(n, "some words that have to go somewhere");
        screen.says(n + 100, "and mine");
    }
    screen.model.notice("a notice");
    for columns in 1..40 {
        for rows in 1..12 {
            screen.scroll = usize::from(rows);
            screen.drawn(columns, rows);
        }
    }
}

fn media(caption: &str) -> Body {
    let mut media = crate::consumer::show::tests::media(waxseal_consumer::MediaKind::Image);
    media.caption = Some(caption.into());
    Body::Media(media)
}

#[test]
fn files_choices_replies_and_changes() {
    let mut screen = Screen::new();
    screen.model.apply(Event::Connected { queued: 0 }, AT);
    let mut hears = |n: u8, body: Body, quotes: Option<u8>| {
        let message = Incoming {
            from: peer(),
            message_id: id(n),
            body,
            sent_at_ms: 0,
            received_at_ms: AT,
            sender_name: None,
            context: quotes.map(|quoted| waxseal_consumer::Context {
                message_id: id(quoted),
                from_recipient: true,
                forwarded: false,
            }),
        };
        screen.model.apply(Event::Message(message), AT);
    };
    hears(1, media("our menu"), None);
    hears(2, Body::Interactive(Box::new(crate::consumer::show::tests::interactive())), None);
    screen.model.saved(
        id(1),
        std::path::Path::new("/home/ann/.waxseal/consumers/15550123/files/01010101-photo.jpg"),
    );
    screen.model.queued(id(3), text_body("Small pleese"), Some(id(2)), AT);
    let edit = Body::Edit {
        message_id: id(3),
        text: "Small please".into(),
        caption: false,
    };
    screen.model.queued(id(4), edit, None, AT);
    let expected = [
        " +15550100                       ● connected",
        "",
        "        ── Thursday, 5 March 2026 ──",
        " 10:30  [image photo.jpg 120 KB] our",
        "        menu",
        "        └ …/15550123/files/01010101-photo.jpg",
        " 10:30  Size",
        "        Which one?",
        "        Free delivery",
        "          1. Small",
        "          2. Large - for two",
        "             ▏Size",
        "             Small please (edited)  10:30 …",
        "",
        "› write a message, or /help",
    ];
    assert_eq!(screen.text(45, 15), expected);
    assert!(screen.places.is_empty());

    screen.model.pictured(id(1), (10, 3));
    let text = screen.text(45, 16);
    assert_eq!(text[2..7].iter().filter(|line| line.is_empty()).count(), 3);
    assert_eq!(
        screen.places,
        [Place {
            message_id: id(1),
            x: 8,
            y: 3
        }]
    );
    screen.text(45, 8);
    assert!(screen.places.is_empty(), "it has no room");
}

#[test]
fn a_command_is_explained_while_it_is_typed() {
    let mut screen = Screen::new();
    screen.input.insert("/loc");
    assert_eq!(screen.text(60, 4)[2], " /location LAT LON [NAME]  send a place");
    screen.input.insert("x");
    assert_eq!(screen.text(60, 4)[2], " no such command; /help shows all");
}
