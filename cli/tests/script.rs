//! `waxseal chat` as scripts use it: real processes over a real relay, without a business in between.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rcgen::CertifiedKey;
use serde_json::Value;
use waxseal_relay::{Config, Relay, Running, Tls};

const ANN: &str = "+15550123";
const BEN: &str = "+15550124";

struct Bench {
    directory: tempfile::TempDir,
    relay: Running,
}

impl Bench {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let relay = Relay::start(Config::new(([127, 0, 0, 1], 0).into(), directory.path().join("relay")))
            .await
            .unwrap();
        Self { directory, relay }
    }

    fn state_dir(&self) -> &Path {
        self.directory.path()
    }

    fn chat(&self, me: &str, to: &str, options: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_waxseal"));
        command.args([
            "chat",
            "--as",
            me,
            "--to",
            to,
            "--relay",
            &format!("http://{}", self.relay.addr()),
            "--state-dir",
        ]);
        command
            .arg(self.state_dir())
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// Runs to the end beside the relay's runtime.
async fn run(mut command: Command, input: &str) -> Output {
    let input = input.to_owned();
    let run = move || {
        if !input.is_empty() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.spawn().unwrap();
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).unwrap();
        }
        child.wait_with_output().unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn events(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone())
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn named<'a>(events: &'a [Value], name: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["event"] == name).collect()
}

fn failure(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_shots_talk_to_each_other() {
    let bench = Bench::start().await;
    // Registers, and finds nothing.
    events(&run(bench.chat(BEN, ANN, &["--json"]), "").await);

    let sent = events(
        &run(
            bench.chat(ANN, BEN, &["--json", "--name", "Ann", "--send", "one", "--send", "two é 👍"]),
            "",
        )
        .await,
    );
    let ids: Vec<&Value> = named(&sent, "sent").iter().map(|event| &event["id"]).collect();
    let texts: Vec<&Value> = named(&sent, "sent").iter().map(|event| &event["text"]).collect();
    assert_eq!(texts, ["one", "two é 👍"]);

    let got = events(&run(bench.chat(BEN, ANN, &["--json", "--wait", "2"]), "").await);
    let messages = named(&got, "message");
    assert_eq!(messages.iter().map(|event| &event["id"]).collect::<Vec<_>>(), ids);
    assert_eq!(
        (&messages[1]["text"], &messages[1]["from"], &messages[1]["name"]),
        (&"two é 👍".into(), &ANN.into(), &"Ann".into())
    );

    // Lines of standard input, commands among them; the receipts of the first messages came meanwhile.
    let told = events(&run(bench.chat(ANN, BEN, &["--json"]), "three\n/safety\n//slash\n/nonsense\n").await);
    assert_eq!(named(&told, "error").len(), 1);
    assert_eq!(named(&told, "safety_number")[0]["safety_number"].as_str().unwrap().len(), 60);

    let got = events(&run(bench.chat(BEN, ANN, &["--json", "--wait", "2"]), "").await);
    assert_eq!(
        named(&got, "message").iter().map(|event| &event["text"]).collect::<Vec<_>>(),
        ["three", "/slash"]
    );
    events(
        &run(
            bench.chat(BEN, ANN, &["--json"]),
            &format!("/react 🎉 {}\n", ids[1].as_str().unwrap()),
        )
        .await,
    );
    let told = events(&run(bench.chat(ANN, BEN, &["--json", "--wait", "1"]), "").await);
    let reaction = named(&told, "reaction")[0];
    assert_eq!((&reaction["emoji"], &reaction["message_id"]), (&"🎉".into(), ids[1]));
    bench.relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_lines_for_people_who_pipe() {
    let bench = Bench::start().await;
    events(&run(bench.chat(BEN, ANN, &["--json"]), "").await);
    let sent = run(bench.chat(ANN, BEN, &[]), "hello\nthere\n").await;
    assert!(sent.status.success());
    assert_eq!(String::from_utf8_lossy(&sent.stderr), "✓ hello\n✓ there\n");
    let got = run(bench.chat(BEN, ANN, &["--wait", "2"]), "").await;
    assert_eq!(String::from_utf8_lossy(&got.stdout), format!("{ANN}: hello\n{ANN}: there\n"));
    bench.relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unread_messages_come_again_until_they_are_marked() {
    let bench = Bench::start().await;
    events(&run(bench.chat(BEN, ANN, &["--json"]), "").await);
    events(&run(bench.chat(ANN, BEN, &["--json", "--send", "look"]), "").await);
    assert_eq!(
        named(
            &events(&run(bench.chat(BEN, ANN, &["--json", "--wait", "1", "--no-read"]), "").await),
            "message"
        )
        .len(),
        1
    );
    assert_eq!(
        named(&events(&run(bench.chat(BEN, ANN, &["--json", "--wait", "1"]), "").await), "message").len(),
        1
    );
    let again = run(bench.chat(BEN, ANN, &["--json", "--wait", "1", "--timeout", "1"]), "").await;
    assert!(failure(&again).contains("0 of 1 messages arrived"));
    bench.relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn until_delivered_is_more_than_sent() {
    let bench = Bench::start().await;
    events(&run(bench.chat(BEN, ANN, &["--json"]), "").await);

    // The relay has it, and nobody is there to take it.
    let options = ["--json", "--send", "hello", "--until", "delivered", "--timeout", "2"];
    let alone = run(bench.chat(ANN, BEN, &options), "").await;
    assert!(failure(&alone).contains("were not delivered in time"), "{}", failure(&alone));
    let told = String::from_utf8(alone.stdout).unwrap();
    assert!(told.contains(r#""event":"sent""#), "{told}");

    // With somebody there, the receipt ends it.
    let reader = run(bench.chat(BEN, ANN, &["--json", "--wait", "2", "--no-read"]), "");
    let writer = run(bench.chat(ANN, BEN, &["--json", "--send", "again", "--until", "delivered"]), "");
    let (reader, writer) = tokio::join!(reader, writer);
    assert_eq!(named(&events(&reader), "message").len(), 2);
    let told = events(&writer);
    let sent = named(&told, "sent")[0]["id"].clone();
    assert!(named(&told, "delivered").iter().any(|event| event["id"] == sent), "{told:?}");
    bench.relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_say_what_to_do() {
    let bench = Bench::start().await;
    let text = failure(&run(bench.chat(ANN, "+15550999", &["--send", "x"]), "").await);
    assert!(text.contains("nobody is registered under this number; check --to"), "{text}");
    let text = failure(&run(bench.chat(ANN, ANN, &["--send", "x"]), "").await);
    assert!(text.contains("the same number"), "{text}");
    let text = failure(&run(bench.chat("15550123", BEN, &["--send", "x"]), "").await);
    assert!(text.contains("--as: not a phone number"), "{text}");

    let mut nowhere = Command::new(env!("CARGO_BIN_EXE_waxseal"));
    nowhere
        .args(["chat", "--as", ANN, "--send", "x", "--state-dir"])
        .arg(bench.state_dir().join("none"));
    let text = failure(&run(piped(nowhere), "").await);
    assert!(text.contains("up` first") && text.contains("endpoints.json"), "{text}");

    let mut dead = Command::new(env!("CARGO_BIN_EXE_waxseal"));
    dead.args([
        "chat",
        "--as",
        ANN,
        "--to",
        BEN,
        "--relay",
        "http://127.0.0.1:9",
        "--send",
        "x",
        "--timeout",
        "1",
        "--state-dir",
    ]);
    dead.arg(bench.state_dir().join("dead"));
    let text = failure(&run(piped(dead), "").await);
    assert!(text.contains("cannot be reached: is `waxseal up` running?"), "{text}");

    let mut first = bench.chat(ANN, BEN, &["--json"]).stdin(Stdio::piped()).spawn().unwrap();
    // It has its state once it says something.
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(first.stdout.take().unwrap()), &mut line).unwrap();
    let text = failure(&run(bench.chat(ANN, BEN, &["--send", "x"]), "").await);
    assert!(text.contains("another waxseal process uses the consumer state"), "{text}");
    drop(first.stdin.take());
    assert!(first.wait().unwrap().success(), "the end of standard input ends it");
    bench.relay.shutdown().await;
}

fn piped(mut command: Command) -> Command {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_under_tls_is_known_by_its_ca() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(file("tls.crt"), cert.pem()).unwrap();
    std::fs::write(file("tls.key"), signing_key.serialize_pem()).unwrap();
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(file("other.crt"), other.cert.pem()).unwrap();
    let mut config = Config::new(([127, 0, 0, 1], 0).into(), file("relay"));
    config.tls = Some(Tls::new(file("tls.crt"), file("tls.key"), None));
    let relay = Relay::start(config).await.unwrap();
    let chat = |me: &str, to: &str, ca: &str, options: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_waxseal"));
        command
            .args(["chat", "--as", me, "--to", to, "--json", "--relay"])
            .arg(format!("https://{}", relay.addr()))
            .arg("--state-dir")
            .arg(directory.path())
            .arg("--relay-ca")
            .arg(file(ca))
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    };
    events(&run(chat(BEN, ANN, "tls.crt", &[]), "").await);
    let sent = events(&run(chat(ANN, BEN, "tls.crt", &["--send", "sealed"]), "").await);
    assert_eq!(named(&sent, "sent").len(), 1);

    let untrusted = failure(&run(chat(BEN, ANN, "other.crt", &["--wait", "1", "--timeout", "2"]), "").await);
    assert!(untrusted.contains("certificate") && untrusted.contains("--relay-ca"), "{untrusted}");
    let no_file = failure(&run(chat(BEN, ANN, "none.crt", &[]), "").await);
    assert!(no_file.contains("--relay-ca") && no_file.contains("none.crt"), "{no_file}");
    let no_certificate = failure(&run(chat(BEN, ANN, "tls.key", &[]), "").await);
    assert!(no_certificate.contains("CA bundle"), "{no_certificate}");
    relay.shutdown().await;
}

/// Runs two chats at a time, of which the second waits; returns the events of both.
async fn both(bench: &Bench, input: &str, wait: usize) -> (Vec<Value>, Vec<Value>) {
    let wait = wait.to_string();
    let reader = run(bench.chat(BEN, ANN, &["--json", "--wait", &wait]), "");
    let writer = run(bench.chat(ANN, BEN, &["--json", "--until", "delivered"]), input);
    let (reader, writer) = tokio::join!(reader, writer);
    (events(&writer), events(&reader))
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_sent_and_saved() {
    let bench = Bench::start().await;
    events(&run(bench.chat(BEN, ANN, &["--json"]), "").await);
    let photo = bench.state_dir().join("my photo.png");
    let content: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    std::fs::write(&photo, &content).unwrap();
    let photo = photo.to_str().unwrap();
    let options = [
        "--json",
        "--send",
        "first",
        "--send-file",
        photo,
        "--caption",
        "look",
        "--send-location",
        "-33.5,151,The Shop",
    ];
    let sent = events(&run(bench.chat(ANN, BEN, &options), "").await);
    assert_eq!(named(&sent, "sent").len(), 3);

    let got = events(&run(bench.chat(BEN, ANN, &["--json", "--wait", "3"]), "").await);
    let messages = named(&got, "message");
    let kinds: Vec<&Value> = messages.iter().map(|message| &message["type"]).collect();
    assert_eq!(kinds, ["text", "image", "location"]);
    assert_eq!(messages[1]["text"], Value::Null);
    assert_eq!(messages[1]["image"]["caption"], "look");
    assert_eq!(messages[1]["image"]["size_bytes"], 400_000);
    assert_eq!(messages[2]["location"]["name"], "The Shop");
    let saved = named(&got, "saved")[0];
    assert_eq!(
        (&saved["id"], &saved["sha256"]),
        (&messages[1]["id"], &messages[1]["image"]["sha256"])
    );
    let path = Path::new(saved["path"].as_str().unwrap());
    assert!(
        path.starts_with(bench.state_dir().join("consumers/15550124/files")),
        "{}",
        path.display()
    );
    assert!(path.to_str().unwrap().ends_with("-my_photo.png") && std::fs::read(path).unwrap() == content);

    // To another place, by a command; and what is no file says so.
    let elsewhere = bench.state_dir().join("elsewhere.png");
    let id = messages[1]["id"].as_str().unwrap();
    let input = format!(
        "/save {id} '{}'\n/save {}\n",
        elsewhere.display(),
        messages[0]["id"].as_str().unwrap()
    );
    let told = events(&run(bench.chat(BEN, ANN, &["--json"]), &input).await);
    assert_eq!(named(&told, "error")[0]["message"], "there is no file to save");
    assert!(std::fs::read(&elsewhere).unwrap() == content);

    let none = run(bench.chat(ANN, BEN, &["--send-file", "/nowhere/a.png"]), "").await;
    assert!(failure(&none).contains("/nowhere/a.png"));
    let kind = run(bench.chat(ANN, BEN, &["--kind", "image", "--send", "x"]), "").await;
    assert_eq!(kind.status.code(), Some(2), "--kind is about a file");
    bench.relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_as_objects() {
    let bench = Bench::start().await;
    events(&run(bench.chat(BEN, ANN, &["--json"]), "").await);
    let voice = bench.state_dir().join("a.ogg");
    std::fs::write(&voice, b"OggS").unwrap();
    let input = format!(
        r#"{{"type":"voice","file":"{}"}}
{{"type":"contacts","name":"Cal Dee","phone":"+15550177"}}
{{"type":"button_reply","id":"yes","title":"Yes"}}
{{"type":"list_reply","id":"row","title":"Row","description":"more"}}
{{"type":"button","text":"Stop","payload":"STOP"}}
{{"type":"flow_reply","response":{{"size":"L"}}}}
{{"type":"request_welcome"}}
helo
{{"type":"edit","text":"hello"}}
{{"type":"revoke"}}
{{"type":"nonsense"}}
{{"type":"choose","choice":1}}
"#,
        voice.display()
    );
    let (told, got) = both(&bench, &input, 10).await;
    let errors: Vec<&Value> = named(&told, "error").iter().map(|error| &error["message"]).collect();
    assert!(errors[0].as_str().unwrap().starts_with("type: one of text, image"), "{errors:?}");
    assert_eq!(errors[1], "there is no message to choose from yet");
    let messages = named(&got, "message");
    let kinds: Vec<&str> = messages.iter().map(|message| message["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "audio",
            "contacts",
            "interactive",
            "interactive",
            "button",
            "interactive",
            "request_welcome",
            "text"
        ]
    );
    assert_eq!(messages[0]["audio"]["voice"], true);
    assert_eq!(messages[1]["contacts"][0]["phones"][0]["phone"], "+15550177");
    assert_eq!(messages[2]["interactive"]["button_reply"]["id"], "yes");
    assert_eq!(messages[3]["interactive"]["list_reply"]["description"], "more");
    assert_eq!(messages[4]["button"]["payload"], "STOP");
    assert_eq!(messages[5]["interactive"]["nfm_reply"]["response_json"], r#"{"size":"L"}"#);
    let text = &messages[7]["id"];
    assert_eq!(
        (&named(&got, "edited")[0]["message_id"], &named(&got, "edited")[0]["text"]),
        (text, &"hello".into())
    );
    assert_eq!(&named(&got, "revoked")[0]["message_id"], text);

    // The other way: a quotation, a played receipt, and what was taken back is gone.
    let input = format!(
        r#"{{"type":"played","message_ids":[{}]}}
{{"type":"text","text":"yes","reply_to":{}}}
{{"type":"save","message_id":{text}}}
"#,
        messages[0]["id"], messages[1]["id"]
    );
    let told = events(&run(bench.chat(BEN, ANN, &["--json"]), &input).await);
    assert_eq!(named(&told, "error")[0]["message"], "there is no file to save");
    let got = events(&run(bench.chat(ANN, BEN, &["--json", "--wait", "1"]), "").await);
    assert_eq!(named(&got, "message")[0]["context_id"], messages[1]["id"]);
    assert_eq!(named(&got, "played")[0]["id"], messages[0]["id"]);
    bench.relay.shutdown().await;
}
