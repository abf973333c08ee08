use std::path::PathBuf;

use super::super::expect::{Progress, Seen, Wanted};
use super::*;

fn parsed(text: &str) -> Result<Script, Wrong> {
    parse(text, Path::new("."))
}

fn steps(text: &str) -> Vec<Act> {
    let indented: String = text.lines().map(|line| format!("      {line}\n")).collect();
    let yaml = format!("consumers:\n  - number: \"+15550123\"\n    steps:\n{indented}");
    match parsed(&yaml) {
        Ok(mut script) => script.roles.remove(0).steps.into_iter().map(|step| step.act).collect(),
        Err(error) => panic!("{error}\n{yaml}"),
    }
}

fn refused(text: &str) -> String {
    parsed(text).err().unwrap_or_else(|| panic!("taken: {text}")).to_string()
}

#[test]
fn every_step_is_understood() {
    let acts = steps(
        "\
- send: Hello
- send: {type: location, latitude: 52.5, longitude: 13.4}
- send: {text: again, reply_to: last}
- choose: 2
- choose: Small
- choose: {id: row-1}
- expect: Welcome
- expect: {type: interactive, buttons: [Small, Large], within: 10s}
- expect: {status: read}
- expect_nothing: 500ms
- wait: 2s
- typing
- read
- played
- reads: never
- reads: 2s
- offline
- online
- new_identity
- garbage: 3
- damage_next
- undecryptable: true
- report: fraud
- fault: {api: 130429, times: 3}
- fault: {webhook: timeout, share: 0.5, for: 10s}
- no_faults
- relay_outage: 1s
- note: half-way
- repeat:
    times: 3
    steps:
      - send: one
      - repeat: {times: 2, steps: [{send: two}]}
",
    );
    let names: Vec<&str> = acts.iter().map(Act::name).collect();
    assert_eq!(
        names,
        [
            "send",
            "send",
            "send",
            "choose",
            "choose",
            "choose",
            "expect",
            "expect",
            "expect",
            "expect_nothing",
            "wait",
            "typing",
            "read",
            "played",
            "reads",
            "reads",
            "offline",
            "online",
            "new_identity",
            "garbage",
            "damage_next",
            "undecryptable",
            "report",
            "fault",
            "fault",
            "no_faults",
            "relay_outage",
            "note",
            "repeat"
        ]
    );
    assert!(matches!(&acts[0], Act::Say(say) if matches!(&say.what, What::Text(text) if text.reveal() == "Hello")));
    assert!(matches!(&acts[2], Act::Say(say) if say.reply_to == Some(Quoted::Last)));
    for (act, wanted) in [
        (3, Pick::Number(2)),
        (4, Pick::Title("Small".to_owned())),
        (5, Pick::Id("row-1".to_owned())),
    ] {
        assert!(matches!(&acts[act], Act::Say(say) if matches!(&say.what, What::Choose { pick, .. } if *pick == wanted)));
    }
    let hello = Seen::Message {
        body: waxseal_consumer::Body::Text {
            body: "You are Welcome!".into(),
            preview_url: false,
        },
        quotes: None,
    };
    assert!(matches!(&acts[6], Act::Expect(expect) if expect.within == WITHIN && expect.is_met_by(&hello, None)));
    assert!(matches!(&acts[7], Act::Expect(expect) if expect.within == Duration::from_secs(10) && !expect.is_met_by(&hello, None)));
    assert!(matches!(&acts[8], Act::Expect(expect) if matches!(expect.wanted, Wanted::Progress(Progress::Read))));
    assert!(matches!(acts[9], Act::Silence(time) if time == Duration::from_millis(500)));
    assert!(
        matches!((&acts[14], &acts[15]), (Act::Reads(Reads::Never), Act::Reads(Reads::After(time))) if *time == Duration::from_secs(2))
    );
    assert!(matches!(
        &acts[23],
        Act::Fault(Rule {
            api: Some(130_429),
            times: Some(3),
            ..
        })
    ));
    assert!(
        matches!(&acts[24], Act::Fault(Rule { webhook: Some(Webhook::Silent(Silent::Timeout)), seconds: Some(seconds), .. }) if (*seconds - 10.0).abs() < 1e-9)
    );
    let all: Vec<Step> = acts.into_iter().map(|act| Step { line: 1, act }).collect();
    assert_eq!(count(&all), 28 + 3 * 3);
}

#[test]
fn time_is_skipped_in_seconds() {
    let acts = steps("- fault: {skip: 24h}\n");
    assert!(matches!(&acts[0], Act::Fault(Rule { skip: Some(seconds), times: None, .. }) if (*seconds - 86_400.0).abs() < 1e-9));
}

#[test]
fn the_head_of_a_scenario() {
    let script = parsed(
        "\
name: An order
business: \"+15550100\"
timeout: 2m
within: 5s
faults:
  - {webhook: 500, times: 2}
consumers:
  - number: \"+15550123\"
    name: Ann
    reads: 2s
    steps: [{expect: hi}]
  - {number: \"+15550124\", reads: never, steps: []}
",
    )
    .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        (script.name.as_str(), script.timeout, script.within),
        ("An order", Duration::from_secs(120), Duration::from_secs(5))
    );
    assert_eq!(script.faults[0].webhook, Some(Webhook::Status(500)));
    assert_eq!(
        [script.roles[0].reads, script.roles[1].reads],
        [Reads::After(Duration::from_secs(2)), Reads::Never]
    );
    assert!(matches!(&script.roles[0].steps[0].act, Act::Expect(expect) if expect.within == Duration::from_secs(5)));
    assert_eq!(script.roles[0].steps[0].line, 11);
}

#[test]
fn mistakes_are_told_with_their_line() {
    let role = |steps: &str| format!("consumers:\n  - number: \"+15550123\"\n    steps:\n      - send: hi\n      - {steps}\n");
    for (step, says) in [
        ("sned: hi", "there is no sned here; allowed: send, choose"),
        ("send: {type: image}", "image wants file"),
        ("send: {type: image, file: /nowhere/a.png}", "there is no file /nowhere/a.png"),
        ("send: {txt: hi}", "unknown member txt"),
        ("send: {text: hi, reply_to: abababababababababababababababab}", "reply_to is last"),
        ("expect: {contians: x}", "unknown member contians; allowed here: type, text"),
        ("expect: {matches: \"(\"}", "matches: regex parse error"),
        ("expect: {typing: true, contains: x}", "expect: either conditions of a message"),
        ("wait: soon", "a time such as 2s"),
        ("reads: sometimes", "reads is at_once, never or a time"),
        ("garbage: 0", "garbage is a number from 1 to 1000"),
        ("fault: {api: 200}", "api is one of [130429"),
        ("fault: {webhook: 200}", "webhook is a status from 300 to 599"),
        ("fault: {}", "a fault is one of api, webhook and skip"),
        ("fault: {skip: 24h, webhook: 500}", "a fault is one of api, webhook and skip"),
        ("fault: {skip: 24h, times: 2}", "time that is skipped has passed"),
        ("fault: {api: 130429, share: 2}", "share is above 0"),
        ("repeat: {times: 2}", "steps is missing"),
        ("choose: {title: a, id: b}", "choose wants one of"),
    ] {
        let error = refused(&role(step));
        assert!(error.starts_with(&format!("line 5: {says}")), "{step}: {error}");
    }
    assert!(refused("consumers:\n  - number: 15550123\n    steps: []\n").starts_with("line 2: "));
    assert!(refused("consumers:\n  - number: \"12\"\n    steps: []\n").contains("not a phone number"));
    assert_eq!(refused("consumers: []\n"), "line 1: there are no consumers");
    assert_eq!(refused("name: x\n"), "line 1: consumers is missing");
    let twice = "  - {number: \"+15550123\", steps: []}\n";
    assert_eq!(
        refused(&format!("consumers:\n{twice}{twice}")),
        "line 3: another consumer has this number already"
    );
    let endless = role("repeat: {times: 4000000000, steps: [{repeat: {times: 4000000000, steps: [{send: x}]}}]}");
    assert!(refused(&endless).contains("steps, repetitions counted"));
    let deep = role(
        "repeat: {times: 1, steps: [{repeat: {times: 1, steps: [{repeat: {times: 1, steps: [{repeat: {times: 1, steps: [{repeat: {times: 1, steps: []}}]}}]}}]}}]}",
    );
    assert!(refused(&deep).contains("too many repetitions within repetitions"));
}

#[test]
fn every_sample_is_well_formed() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/samples/scenarios");
    let mut files = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "yaml") {
            let text = std::fs::read_to_string(&path).unwrap();
            if let Err(error) = parse(&text, &folder) {
                panic!("{}: {error}", path.display());
            }
            files += 1;
        }
    }
    assert!(files >= 2, "the samples are not where they are looked for");
}
