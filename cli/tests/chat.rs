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
