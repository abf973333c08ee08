//! What a person needs next, once everything runs.

use std::path::Path;

use waxseal_crds::{DeclaredNumber, declared::Retention, v1alpha1::ContentDeletion};

use super::Args;
use crate::{
    endpoints::{Endpoints, Proxy},
    state_dir::{self, StateDir},
    terminal::{self, Style, harmless, shell_word},
};

/// A consumer that nobody is; 555-01xx is set aside for examples.
const CONSUMER: &str = "+15550123";
/// The Graph API version in the example; any is accepted.
const API_VERSION: &str = "v23.0";

/// Prints the banner, or with `--json` the addresses.
pub(super) fn print(args: &Args, state: &StateDir, endpoints: &Endpoints, numbers: &[DeclaredNumber]) {
    let path = state.path().display().to_string();
    if args.json {
        let mut ready = serde_json::json!({
            "type": "ready", "api": endpoints.api, "admin": endpoints.admin, "relay": endpoints.relay, "state_dir": path,
        });
        if let Some(proxy) = &endpoints.proxy {
            ready["proxy"] = proxy.url.as_str().into();
        }
        terminal::say(&ready.to_string());
        return;
    }
    let data = state
        .path()
        .canonicalize()
        .map_or_else(|_| path.clone(), |path| path.display().to_string());
    let facts = Facts {
        command: terminal::command(),
        state_dir: &path,
        data: &data,
        ephemeral: state.is_ephemeral(),
        redis: args.redis.is_some(),
        own_webhook: args.webhook.is_some() || numbers.iter().all(|number| number.webhook.is_some()),
        exposed: !args.listen.ip().is_loopback() && args.tls_certificate.is_none(),
    };
    terminal::say(&banner(&facts, endpoints, numbers, Style::of_stdout()));
}

/// The last words.
pub(super) fn print_goodbye(json: bool, state_dir: &str, ephemeral: bool) {
    let text = match (json, ephemeral) {
        (true, _) => serde_json::json!({ "type": "stopped" }).to_string(),
        (false, true) => "Stopped. The temporary directory is gone.".to_owned(),
        (false, false) => format!("Stopped. Everything under way is kept in {state_dir}; started again, conversations go on."),
    };
    terminal::say(&text);
}

/// What the banner has to know besides endpoints and numbers.
struct Facts<'a> {
    command: &'a str,
    /// As it was given, for command lines.
    state_dir: &'a str,
    /// In full, for people.
    data: &'a str,
    ephemeral: bool,
    redis: bool,
    own_webhook: bool,
    exposed: bool,
}

fn banner(facts: &Facts<'_>, endpoints: &Endpoints, numbers: &[DeclaredNumber], style: Style) -> String {
    let mut text = format!("\n{}\n\n", style.bold(&style.green("Waxseal is ready.")));
    for number in numbers {
        let name = harmless(&number.display_name);
        text.push_str(&format!(
            "  {}  {name}  {}\n",
            style.bold(&number.phone_number),
            style.dim(&format!("id {}", number.phone_number_id))
        ));
    }
    if let (Some(first), Some(number)) = (endpoints.numbers.first(), numbers.first()) {
        let state_dir = if facts.state_dir == state_dir::DEFAULT {
            String::new()
        } else {
            format!(" --state-dir {}", shell_word(facts.state_dir))
        };
        text.push_str(&format!(
            "\n{}\n\n  {} chat --as {CONSUMER} --to {}{state_dir}\n",
            style.bold("Write as a consumer, in a second terminal:"),
            facts.command,
            first.phone_number
        ));
        text.push_str(&format!(
            "\n{}\n\n{}\n",
            style.bold("Answer as the business, in a third:"),
            curl(&endpoints.api, &first.phone_number_id, &first.token, &number.display_name)
        ));
    }
    if let Some(proxy) = &endpoints.proxy {
        text.push_str(&format!(
            "\n{}\n\n{}\n",
            style.bold("For a program that has graph.facebook.com built in, before it starts:"),
            environment(proxy)
        ));
    }
    text.push('\n');
    for (label, value) in details(facts, endpoints, numbers) {
        text.push_str(&format!("{} {value}\n", style.dim(&format!("{label:<8}"))));
    }
    if !facts.own_webhook {
        text.push_str(&format!(
            "\n{}",
            style.dim("What arrives at the business is printed here (times are UTC).")
        ));
    }
    text
}

fn curl(api: &str, phone_number_id: &str, token: &str, name: &str) -> String {
    let to = CONSUMER.trim_start_matches('+');
    let text = serde_json::Value::from(format!("Hello from {}", harmless(name)));
    let body = format!(r#"{{"messaging_product":"whatsapp","to":"{to}","type":"text","text":{{"body":{text}}}}}"#);
    // The certificate is seldom made out to this address.
    let insecure = if api.starts_with("https:") { "-k " } else { "" };
    format!(
        "  curl {insecure}{} \\\n    -H {} -H 'Content-Type: application/json' \\\n    -d {}",
        shell_word(&format!("{api}/{API_VERSION}/{phone_number_id}/messages")),
        shell_word(&format!("Authorization: Bearer {token}")),
        shell_word(&body)
    )
}

/// What the common clients read: Python's httpx and Go, Python's requests, curl, Node.js.
fn environment(proxy: &Proxy) -> String {
    let word = |path: &Path| shell_word(&path.display().to_string());
    let (bundle, authority) = (word(&proxy.bundle), word(&proxy.authority));
    format!(
        "  export HTTPS_PROXY={}\n  export SSL_CERT_FILE={bundle} REQUESTS_CA_BUNDLE={bundle} CURL_CA_BUNDLE={bundle}\n  export NODE_USE_ENV_PROXY=1 NODE_EXTRA_CA_CERTS={authority}",
        shell_word(&proxy.url)
    )
}

fn details(facts: &Facts<'_>, endpoints: &Endpoints, numbers: &[DeclaredNumber]) -> Vec<(&'static str, String)> {
    let mut details = Vec::new();
    if facts.own_webhook {
        let mut urls: Vec<&str> = endpoints.numbers.iter().map(|number| number.webhook.as_str()).collect();
        urls.dedup();
        details.push(("Webhook", format!("{} (the verify token is in endpoints.json)", urls.join(", "))));
    } else {
        details.push((
            "Webhook",
            "the built-in receiver; --webhook URL sends events to your own program".to_owned(),
        ));
    }
    let place = match (facts.ephemeral, facts.redis) {
        (true, _) => format!("{}, removed when this stops", facts.data),
        (false, true) => format!("{}, message state in Redis", facts.data),
        (false, false) => facts.data.to_owned(),
    };
    details.push(("Data", format!("{place}; {}", kept(numbers))));
    details.push((
        "More",
        format!("{} status · {} · {}/metrics", facts.command, endpoints.api, endpoints.admin),
    ));
    if facts.exposed {
        details.push(("Careful", "the API can be reached from other machines, over plain HTTP".to_owned()));
    }
    details.push(("Stop", "Ctrl-C; started again, conversations go on".to_owned()));
    details
}

/// How long data stays, in one phrase.
fn kept(numbers: &[DeclaredNumber]) -> String {
    let longest = numbers
        .iter()
        .map(|number| number.retention)
        .max_by_key(|retention| retention.duration());
    let time = match longest {
        Some(Retention::Days(1)) => "1 day".to_owned(),
        Some(Retention::Days(days)) => format!("{days} days"),
        Some(Retention::NoStorage) | None => "60 minutes".to_owned(),
    };
    if numbers.iter().all(|number| number.content_deletion == ContentDeletion::OnDelivery) {
        format!("content goes once delivered, everything after {time}")
    } else {
        format!("everything goes after {time} at the latest")
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::up::{
        business::{self, Target},
        secrets::tests::fixed,
    };

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn shown(facts: &Facts<'_>, webhook: &str) -> String {
        let numbers = [business::sample(&fixed())];
        let target = Target {
            url: webhook.to_owned(),
            verify_token: "v".to_owned().into(),
            timeout: std::time::Duration::from_secs(1),
        };
        let endpoints = business::endpoints(
            &numbers,
            vec![target],
            "http://127.0.0.1:8080".to_owned(),
            address(8082),
            "http://127.0.0.1:8081".to_owned(),
        );
        banner(facts, &endpoints, &numbers, Style::PLAIN)
    }

    #[test]
    fn says_what_is_needed_next() {
        let facts = Facts {
            command: "cargo run --release --",
            state_dir: ".waxseal",
            data: "/home/ana/.waxseal",
            ephemeral: false,
            redis: false,
            own_webhook: false,
            exposed: false,
        };
        let expected = r#"
Waxseal is ready.

  +15550100  Sample Business  id 545195353236995

Write as a consumer, in a second terminal:

  cargo run --release -- chat --as +15550123 --to +15550100

Answer as the business, in a third:

  curl http://127.0.0.1:8080/v23.0/545195353236995/messages \
    -H 'Authorization: Bearer wx-0123456789abcdef' -H 'Content-Type: application/json' \
    -d '{"messaging_product":"whatsapp","to":"15550123","type":"text","text":{"body":"Hello from Sample Business"}}'

Webhook  the built-in receiver; --webhook URL sends events to your own program
Data     /home/ana/.waxseal; content goes once delivered, everything after 7 days
More     cargo run --release -- status · http://127.0.0.1:8080 · http://127.0.0.1:8082/metrics
Stop     Ctrl-C; started again, conversations go on

What arrives at the business is printed here (times are UTC)."#;
        assert_eq!(shown(&facts, "http://127.0.0.1:9/webhook/1"), expected);
    }

    #[test]
    fn follows_the_scheme_of_the_api() {
        let line = curl("https://127.0.0.1:8443", "1", "t", "Shop");
        assert!(line.starts_with("  curl -k https://127.0.0.1:8443/v23.0/1/messages "), "{line}");
    }

    #[test]
    fn tells_what_a_client_of_the_proxy_needs() {
        let proxy = Proxy {
            url: "http://127.0.0.1:8083".to_owned(),
            authority: "/my state/authority/ca.pem".into(),
            bundle: "/my state/authority/bundle.pem".into(),
        };
        let expected = "  export HTTPS_PROXY=http://127.0.0.1:8083
  export SSL_CERT_FILE='/my state/authority/bundle.pem' REQUESTS_CA_BUNDLE='/my state/authority/bundle.pem' CURL_CA_BUNDLE='/my state/authority/bundle.pem'
  export NODE_USE_ENV_PROXY=1 NODE_EXTRA_CA_CERTS='/my state/authority/ca.pem'";
        assert_eq!(environment(&proxy), expected);
    }

    #[test]
    fn tells_what_is_different() {
        let facts = Facts {
            command: "waxseal",
            state_dir: "my state",
            data: "/tmp/my state",
            ephemeral: false,
            redis: true,
            own_webhook: true,
            exposed: true,
        };
        let text = shown(&facts, "http://127.0.0.1:3000/hook");
        for part in [
            "  waxseal chat --as +15550123 --to +15550100 --state-dir 'my state'\n",
            "Webhook  http://127.0.0.1:3000/hook (the verify token is in endpoints.json)\n",
            "Data     /tmp/my state, message state in Redis; content goes",
            "Careful  the API can be reached from other machines",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(!text.contains("printed here"));
    }
}
