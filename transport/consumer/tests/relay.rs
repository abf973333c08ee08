//! Consumers over a real relay: real sockets, real state on disk.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "relay/common.rs"]
mod common;

use std::collections::HashSet;
use std::time::Duration;

use common::{Bench, text_of, texts, until};
use waxseal_consumer::{
    Attachment, BlobId, Body, Consumer, Direction, DownloadError, Error, Event, Failure, FileSecret, Media, MediaKind, MessageId, Options,
    ReceiptKind, Status, Stop, Text,
};
use waxseal_protocol::{Account, Client, Credential, proto};

const A: &str = "+15550123";
const B: &str = "+15550100";

#[tokio::test]
async fn two_consumers_talk() {
    let bench = Bench::start().await;
    let (a, b) = (bench.open(A).await, bench.open(B).await);
    until(&b, |event| matches!(event, Event::Connected { .. }).then_some(())).await;
    let sent = a.send_text(b.number(), "hello".into()).await.unwrap();
    let received = until(&b, |event| if let Event::Message(message) = event { Some(message) } else { None }).await;
    assert_eq!(received.text().unwrap().reveal(), "hello");
    assert!(received.message_id == sent && received.from == *a.number());
    assert_eq!(received.sender_name.unwrap().reveal(), "Name of +15550123");
    let receipt = |wanted: ReceiptKind| {
        move |event| match event {
            Event::Receipt { kind, message_ids, .. } if kind == wanted => Some(message_ids),
            _ => None,
        }
    };
    until(&a, |event| {
        matches!(event, Event::Sent { message_id, .. } if message_id == sent).then_some(())
    })
    .await;
    assert_eq!(until(&a, receipt(ReceiptKind::Delivered)).await, [sent]);
    b.mark_read(a.number(), &[sent]).await.unwrap();
    assert_eq!(until(&a, receipt(ReceiptKind::Read)).await, [sent]);

    b.typing(a.number()).await.unwrap();
    until(&a, |event| matches!(event, Event::Typing { .. }).then_some(())).await;
    b.send_reaction(a.number(), sent, "👍".into()).await.unwrap();
    let emoji = until(&a, |event| match event {
        Event::Reaction { message_id, emoji, .. } if message_id == sent => Some(emoji),
        _ => None,
    });
    assert_eq!(emoji.await.reveal(), "👍");
    b.send_text(a.number(), "hi".into()).await.unwrap();
    assert_eq!(texts(&a, 1).await, ["hi"]);

    let number = a.safety_number(b.number()).await.unwrap().unwrap();
    assert_eq!(number.len(), 60);
    assert_eq!(Some(number), b.safety_number(a.number()).await.unwrap());
    let history = a.history(b.number(), 10).await.unwrap();
    assert_eq!(history.len(), 3);
    assert_eq!(history[0].direction, Direction::Outgoing(Status::Read));
    assert!(matches!(&history[1].body, Body::Reaction { emoji, .. } if emoji.reveal() == "👍"));
    assert!(matches!(&history[2].body, Body::Text { body, .. } if body.reveal() == "hi"));
    assert_eq!(history[2].direction, Direction::Incoming { read: false });
    a.close().await;
    b.close().await;
    bench.stop().await;
}

#[tokio::test]
async fn who_was_offline_gets_everything_in_order_once() {
    let bench = Bench::start().await;
    let b = bench.open(B).await;
    until(&b, |event| matches!(event, Event::Connected { .. }).then_some(())).await;
    b.close().await;
    let a = bench.open(A).await;
    let wanted: Vec<String> = (0..120).map(|n| format!("message {n}")).collect();
    let to = common::tel(B);
    for text in &wanted {
        a.send_text(&to, Text::from(text.as_str())).await.unwrap();
    }
    assert!(a.flush(Duration::from_secs(30)).await);
    a.close().await;

    let b = bench.open(B).await;
    let mut got = Vec::new();
    until(&b, |event| {
        if let Event::Message(message) = &event {
            got.push(text_of(message));
        }
        matches!(event, Event::Drained).then_some(())
    })
    .await;
    assert_eq!(got, wanted);
    b.close().await;
    let b = bench.open(B).await;
    until(&b, |event| {
        assert!(!matches!(event, Event::Message(_)), "nothing comes a second time");
        matches!(event, Event::Drained).then_some(())
    })
    .await;
    // The receipts came while A was away.
    let a = bench.open(A).await;
    let mut delivered = HashSet::new();
    until(&a, |event| {
        if let Event::Receipt { message_ids, .. } = &event {
            delivered.extend(message_ids.iter().copied());
        }
        (delivered.len() == wanted.len()).then_some(())
    })
    .await;
    a.close().await;
    b.close().await;
    bench.stop().await;
}

#[tokio::test]
async fn nobody_has_this_number() {
    let bench = Bench::start().await;
    let a = bench.open(A).await;
    let lost = a.send_text(&common::tel("+15550999"), "anybody there?".into()).await.unwrap();
    until(&a, |event| {
        matches!(event, Event::Failed { message_id, reason: Failure::UnknownNumber, .. } if message_id == lost).then_some(())
    })
    .await;
    a.close().await;
    bench.stop().await;
}

#[tokio::test]
async fn a_conversation_survives_restarts_of_everybody() {
    let mut bench = Bench::start().await;
    for round in 0..3 {
        let (a, b) = (bench.open(A).await, bench.open(B).await);
        let no_change = |event: &Event| assert!(!matches!(event, Event::IdentityChanged { .. }));
        until(&b, |event| matches!(event, Event::Connected { .. }).then_some(())).await;
        a.send_text(b.number(), Text::new(format!("ping {round}"))).await.unwrap();
        let got = until(&b, |event| {
            no_change(&event);
            if let Event::Message(message) = event {
                Some(text_of(&message))
            } else {
                None
            }
        });
        assert_eq!(got.await, format!("ping {round}"));
        b.send_text(a.number(), Text::new(format!("pong {round}"))).await.unwrap();
        let got = until(&a, |event| {
            no_change(&event);
            if let Event::Message(message) = event {
                Some(text_of(&message))
            } else {
                None
            }
        });
        assert_eq!(got.await, format!("pong {round}"));
        assert_eq!(a.history(b.number(), 99).await.unwrap().len(), 2 * (round + 1));
        a.close().await;
        b.close().await;
        bench.restart().await;
    }
    bench.stop().await;
}

#[tokio::test]
async fn what_was_accepted_survives_a_kill_and_arrives_once() {
    let mut bench = Bench::start().await;
    let b = bench.open(B).await;
    until(&b, |event| matches!(event, Event::Connected { .. }).then_some(())).await;
    let mut wanted = Vec::new();
    for round in 0..6 {
        if round == 3 {
            bench.pause().await;
        }
        let a = bench.open(A).await;
        for n in 0..10 {
            let text = format!("{round}/{n}");
            a.send_text(b.number(), Text::from(text.as_str())).await.unwrap();
            wanted.push(text);
        }
        // As a kill does: no flush, wherever the connection and the envelopes are.
        drop(a);
    }
    bench.restart().await;
    let a = bench.open(A).await;
    let mut got = Vec::new();
    until(&b, |event| {
        if let Event::Message(message) = &event {
            got.push(text_of(message));
        }
        (got.len() == wanted.len()).then_some(())
    })
    .await;
    assert_eq!(got, wanted);
    assert!(a.flush(Duration::from_secs(20)).await);
    a.send_text(b.number(), "last".into()).await.unwrap();
    assert_eq!(texts(&b, 1).await, ["last"], "nothing comes a second time");
    a.close().await;
    b.close().await;
    bench.stop().await;
}

#[tokio::test]
async fn a_relay_that_went_away_comes_back() {
    let mut bench = Bench::start().await;
    let (a, b) = (bench.open(A).await, bench.open(B).await);
    until(&b, |event| matches!(event, Event::Connected { .. }).then_some(())).await;
    a.send_text(b.number(), "before".into()).await.unwrap();
    assert_eq!(texts(&b, 1).await, ["before"]);
    bench.pause().await;
    until(&a, |event| matches!(event, Event::Disconnected { .. }).then_some(())).await;
    for n in 0..5 {
        a.send_text(b.number(), Text::new(format!("meanwhile {n}"))).await.unwrap();
    }
    bench.resume().await;
    assert_eq!(
        texts(&b, 5).await,
        ["meanwhile 0", "meanwhile 1", "meanwhile 2", "meanwhile 3", "meanwhile 4"]
    );
    a.close().await;
    b.close().await;
    bench.stop().await;
}

#[tokio::test]
async fn a_relay_that_lost_its_state_is_registered_with_again() {
    let mut bench = Bench::start().await;
    let (a, b) = (bench.open(A).await, bench.open(B).await);
    until(&b, |event| matches!(event, Event::Connected { .. }).then_some(())).await;
    a.send_text(b.number(), "before".into()).await.unwrap();
    assert_eq!(texts(&b, 1).await, ["before"]);
    bench.lose_state().await;
    until(&b, |event| matches!(event, Event::Connected { .. }).then_some(())).await;
    a.send_text(b.number(), "after".into()).await.unwrap();
    assert_eq!(texts(&b, 1).await, ["after"]);
    // The new relay has keys for strangers, too.
    let stranger = bench.open("+15550177").await;
    stranger.send_text(b.number(), "new here".into()).await.unwrap();
    assert_eq!(texts(&b, 1).await, ["new here"]);
    for consumer in [a, b, stranger] {
        consumer.close().await;
    }
    bench.stop().await;
}

#[tokio::test]
async fn a_lost_session_heals_and_the_message_arrives() {
    let bench = Bench::start().await;
    let (a, b) = (bench.open(A).await, bench.open(B).await);
    until(&b, |event| matches!(event, Event::Connected { .. }).then_some(())).await;
    a.send_text(b.number(), "one".into()).await.unwrap();
    assert_eq!(texts(&b, 1).await, ["one"]);
    b.send_text(a.number(), "two".into()).await.unwrap();
    assert_eq!(texts(&a, 1).await, ["two"]);
    b.forget_session(a.number()).await.unwrap();
    let sent: HashSet<MessageId> = [
        a.send_text(b.number(), "three".into()).await.unwrap(),
        a.send_text(b.number(), "four".into()).await.unwrap(),
    ]
    .into();
    // A message that had to be encrypted anew may come after one that was written later.
    let mut arrived = texts(&b, 2).await;
    arrived.sort();
    assert_eq!(arrived, ["four", "three"]);
    let mut delivered = HashSet::new();
    until(&a, |event| {
        if let Event::Receipt { message_ids, .. } = event {
            delivered.extend(message_ids.into_iter().filter(|id| sent.contains(id)));
        }
        (delivered == sent).then_some(())
    })
    .await;
    a.close().await;
    b.close().await;
    bench.stop().await;
}

#[tokio::test]
async fn a_re_installation_takes_the_number_and_the_conversation_goes_on() {
    let bench = Bench::start().await;
    let (a, old) = (bench.open(A).await, bench.open(B).await);
    until(&old, |event| matches!(event, Event::Connected { .. }).then_some(())).await;
    a.send_text(old.number(), "to the old phone".into()).await.unwrap();
    assert_eq!(texts(&old, 1).await, ["to the old phone"]);
    let before = a.safety_number(old.number()).await.unwrap();

    let new = Consumer::open(Options::in_memory(common::tel(B), bench.url())).await.unwrap();
    until(&new, |event| matches!(event, Event::Connected { .. }).then_some(())).await;
    until(&old, |event| {
        matches!(event, Event::Stopped { reason: Stop::Displaced }).then_some(())
    })
    .await;
    assert!(old.next_event().await.is_none());
    assert!(matches!(old.send_text(a.number(), "x".into()).await, Err(Error::Closed)));

    a.send_text(new.number(), "to the new phone".into()).await.unwrap();
    assert_eq!(texts(&new, 1).await, ["to the new phone"]);
    until(&a, |event| matches!(event, Event::IdentityChanged { .. }).then_some(())).await;
    new.send_text(a.number(), "it is me".into()).await.unwrap();
    assert_eq!(texts(&a, 1).await, ["it is me"]);
    let after = a.safety_number(new.number()).await.unwrap();
    assert_ne!(before, after);
    assert_eq!(after, new.safety_number(a.number()).await.unwrap());
    a.close().await;
    new.close().await;
    bench.stop().await;
}

#[tokio::test]
async fn a_state_has_one_process() {
    let bench = Bench::start().await;
    let a = bench.open(A).await;
    let second = Consumer::open(Options::new(common::tel(A), bench.url(), bench.state_dir())).await;
    let error = second.err().unwrap();
    assert!(matches!(error, Error::InUse { .. }));
    assert!(error.to_string().contains("another waxseal process"), "{error}");
    a.close().await;
    bench.open(A).await.close().await;
    bench.stop().await;
}

/// Somebody registered who does not speak Signal, such as an attacker with the protocol at hand.
async fn stranger(bench: &Bench, number: &str) -> (Client, Account) {
    let client = Client::new(&bench.url()).unwrap();
    let account = Account {
        number: number.to_owned(),
        credential: Credential::random(&mut rand::rng()),
    };
    client.register(&account, proto::Role::Consumer, None, &[5; 33], 7).await.unwrap();
    (client, account)
}

#[tokio::test]
async fn garbage_and_duplicates_of_one_sender_do_not_hold_up_another() {
    let bench = Bench::start().await;
    let (a, b) = (bench.open(A).await, bench.open(B).await);
    until(&b, |event| matches!(event, Event::Connected { .. }).then_some(())).await;
    a.send_text(b.number(), "one".into()).await.unwrap();
    assert_eq!(texts(&b, 1).await, ["one"]);

    let (client, account) = stranger(&bench, "+15550666").await;
    let mut link = client.connect(&account, 0).await.unwrap();
    let mut envelopes = Vec::new();
    for n in 0..300_u32 {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&n.to_be_bytes());
        let body: Vec<u8> = match n % 6 {
            0 => vec![2; usize::try_from(n).unwrap()],
            1 => [&[3][..], &[0x33; 90]].concat(),
            2 => vec![8, 0xff],
            3 => rand::random::<[u8; 32]>().to_vec(),
            4 => [&[2][..], &rand::random::<[u8; 32]>()].concat(),
            _ => vec![0],
        };
        // Each twice.
        for _ in 0..2 {
            envelopes.push(proto::Envelope {
                id: id.to_vec().into(),
                recipient: B.into(),
                body: body.clone().into(),
                ..Default::default()
            });
        }
    }
    link.sender.submit(envelopes).await.unwrap();
    let mut answered = 0;
    while answered < 600 {
        let frame = tokio::time::timeout(Duration::from_secs(20), link.receiver.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        if let proto::from_relay::Frame::Outcomes(outcomes) = frame {
            answered += outcomes.outcomes.len();
        }
    }
    a.send_text(b.number(), "two".into()).await.unwrap();
    assert_eq!(texts(&b, 1).await, ["two"]);
    b.send_text(a.number(), "three".into()).await.unwrap();
    assert_eq!(texts(&a, 1).await, ["three"]);
    a.close().await;
    b.close().await;
    bench.stop().await;
}

#[tokio::test]
async fn used_up_one_time_keys_are_replaced() {
    let bench = Bench::start().await;
    let mut options = Options::in_memory(common::tel(B), bench.url());
    options.one_time_keys = 12;
    let b = Consumer::open(options).await.unwrap();
    until(&b, |event| matches!(event, Event::Connected { .. }).then_some(())).await;
    let (client, account) = stranger(&bench, "+15550666").await;
    for _ in 0..12 {
        assert!(client.fetch_bundle(&account, B).await.unwrap().one_time_ec.is_some());
    }
    let (client, account) = stranger(&bench, "+15550667").await;
    common::eventually("the pool is filled up again", async || {
        match client.fetch_bundle(&account, B).await {
            Ok(bundle) => bundle.one_time_ec.is_some(),
            Err(_) => false,
        }
    })
    .await;
    let a = bench.open(A).await;
    a.send_text(b.number(), "hello".into()).await.unwrap();
    assert_eq!(texts(&b, 1).await, ["hello"]);
    a.close().await;
    b.close().await;
    bench.stop().await;
}

#[tokio::test]
async fn many_messages_both_ways_at_once() {
    const MESSAGES: usize = 400;
    let bench = Bench::start().await;
    let open = async |number| Consumer::open(Options::in_memory(common::tel(number), bench.url())).await.unwrap();
    let (a, b) = (open(A).await, open(B).await);
    until(&a, |event| matches!(event, Event::Connected { .. }).then_some(())).await;
    until(&b, |event| matches!(event, Event::Connected { .. }).then_some(())).await;
    let talk = async |from: &Consumer, to: &Consumer| {
        for n in 0..MESSAGES {
            from.send_text(to.number(), Text::new(n.to_string())).await.unwrap();
        }
    };
    let wanted: Vec<String> = (0..MESSAGES).map(|n| n.to_string()).collect();
    let ((), (), got_a, got_b) = tokio::join!(talk(&a, &b), talk(&b, &a), texts(&a, MESSAGES), texts(&b, MESSAGES));
    assert_eq!(got_a, wanted);
    assert_eq!(got_b, wanted);
    a.close().await;
    b.close().await;
    bench.stop().await;
}

/// Content that no two chunks share.
fn content(bytes: u32) -> Vec<u8> {
    (0..bytes / 4).flat_map(u32::to_le_bytes).collect()
}

async fn media_of(consumer: &Consumer) -> (MessageId, Media) {
    until(consumer, |event| match event {
        Event::Message(message) => match message.body {
            Body::Media(media) => Some((message.message_id, media)),
            _ => None,
        },
        _ => None,
    })
    .await
}

#[tokio::test]
async fn files_travel_as_ciphertext_and_arrive_whole() {
    let bench = Bench::start().await;
    let (a, b) = (bench.open(A).await, bench.open(B).await);
    let content = content(1_000_000);
    let path = bench.state_dir().join("photo.png");
    std::fs::write(&path, &content).unwrap();
    let photo = Attachment::from_path(MediaKind::Image, &path).captioned("look");
    a.send(b.number(), photo, None).await.unwrap();
    a.send_text(b.number(), "see above".into()).await.unwrap();
    let (id, media) = media_of(&b).await;
    assert!(media.mime_type.reveal() == "image/png" && media.size_bytes == 1_000_000 && media.kind == MediaKind::Image);
    assert!(media.caption.as_ref().unwrap().reveal() == "look" && media.filename.as_ref().unwrap().reveal() == "photo.png");
    assert_eq!(texts(&b, 1).await, ["see above"]);

    let target = bench.state_dir().join("saved.png");
    b.download(&media).into_file(&target).await.unwrap();
    assert!(std::fs::read(&target).unwrap() == content);
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&target.metadata().unwrap()) & 0o777, 0o600);
    assert!(b.download(&media).into_bytes(1 << 20).await.unwrap().as_slice() == content);
    let max = 999_999;
    assert!(matches!(
        b.download(&media).into_bytes(max).await,
        Err(DownloadError::TooLarge { max: 999_999 })
    ));
    let entry = b.message(a.number(), id).await.unwrap().unwrap();
    assert!(matches!(entry.body, Body::Media(logged) if logged == media));
    // Nothing is left on the way out.
    assert!(a.flush(Duration::from_secs(30)).await);
    let outgoing = bench.state_dir().join("consumers/15550123/outgoing");
    common::eventually("the spool is empty", async || std::fs::read_dir(&outgoing).unwrap().count() == 0).await;

    // A message may name the same file again; one that lies about it gets nothing.
    b.send(a.number(), Body::Media(media.clone()), None).await.unwrap();
    assert!(media_of(&a).await.1 == media);
    let mut wrong = media.clone();
    wrong.sha256[0] ^= 1;
    let mut other_key = media.clone();
    other_key.blob.key = FileSecret::new([0; 32]);
    let mut shorter = media.clone();
    shorter.size_bytes -= 1;
    let mut unknown = media.clone();
    unknown.blob.id = BlobId::new([0; 16]);
    for lie in [wrong, other_key, shorter] {
        let outcome = a.download(&lie).into_file(&target.with_extension("lie")).await;
        assert!(matches!(outcome, Err(DownloadError::NotAuthentic)));
    }
    assert!(!target.with_extension("lie").exists());
    assert!(matches!(a.download(&unknown).into_bytes(1 << 20).await, Err(DownloadError::Gone)));
    a.close().await;
    b.close().await;
    bench.stop().await;
}

#[tokio::test]
async fn a_file_survives_a_restart_before_it_was_sent() {
    let mut bench = Bench::start().await;
    let b = bench.open(B).await;
    until(&b, |event| matches!(event, Event::Connected { .. }).then_some(())).await;
    bench.pause().await;
    let a = bench.open(A).await;
    let content = content(300_000);
    let file = Attachment::from_bytes(MediaKind::Document, content.clone()).named("a.bin");
    let id = a.send(b.number(), file, None).await.unwrap();
    a.send_text(b.number(), "after it".into()).await.unwrap();
    a.close().await;

    bench.resume().await;
    let a = bench.open(A).await;
    until(&a, |event| {
        matches!(event, Event::Sent { message_id, .. } if message_id == id).then_some(())
    })
    .await;
    let (_, media) = media_of(&b).await;
    assert!(b.download(&media).into_bytes(1 << 20).await.unwrap().as_slice() == content);
    assert_eq!(texts(&b, 1).await, ["after it"]);
    a.close().await;
    b.close().await;
    bench.stop().await;
}

#[tokio::test]
async fn who_stays_offline_gets_and_sends_nothing_until_it_comes_back() {
    let bench = Bench::start().await;
    let (a, b) = (bench.open(A).await, bench.open(B).await);
    a.send_text(b.number(), "one".into()).await.unwrap();
    assert_eq!(texts(&b, 1).await, ["one"]);
    b.stay_offline(true).await.unwrap();
    let waits = b.send_text(a.number(), "from the tunnel".into()).await.unwrap();
    let sent = a.send_text(b.number(), "two".into()).await.unwrap();
    until(&a, |event| {
        matches!(event, Event::Sent { message_id, .. } if message_id == sent).then_some(())
    })
    .await;
    assert!(!b.flush(Duration::from_millis(300)).await);
    let entry = b.message(a.number(), waits).await.unwrap().unwrap();
    assert_eq!(entry.direction, Direction::Outgoing(Status::Pending));
    b.stay_offline(false).await.unwrap();
    assert_eq!(texts(&b, 1).await, ["two"]);
    assert_eq!(texts(&a, 1).await, ["from the tunnel"]);
    a.close().await;
    b.close().await;
    bench.stop().await;
}
