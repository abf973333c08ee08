//! Requests as clients should not write them, to every operation that the port describes: each is answered with a Graph error object, nothing
//! breaks, nothing grows.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value, json};
use waxseal_clients::{
    description::{Operation, document, operations},
    raw::{Answer, Request},
};
use waxseal_harness::up::{Number, Options, Up};

/// Far above what the process needs, far below what any of the requests could make it keep.
const MOST_RESIDENT_KIB: u64 = 400 << 10;

struct World {
    up: Up,
    operations: Vec<Operation>,
    asked: usize,
}

impl World {
    async fn start(options: Options) -> Result<Self> {
        let up = Up::start(options).await?;
        let operations = operations(&document(&up).await?)?;
        ensure!(operations.len() > 30, "{} operations are described", operations.len());
        Ok(Self { up, operations, asked: 0 })
    }

    fn number(&self, index: usize) -> Result<Number> {
        self.up.endpoints().numbers.get(index).cloned().context("no such number")
    }

    /// Sends a request that may be carried out or refused, and nothing else.
    async fn ask(&mut self, what: &str, request: &Request) -> Result<Answer> {
        self.asked += 1;
        let answer = request.send(&self.up).await.with_context(|| what.to_owned())?;
        let told = String::from_utf8_lossy(&answer.body);
        ensure!(
            answer.status < 500,
            "{what}: {} {:.300} was answered {} {told:.500}",
            request.method,
            request.target,
            answer.status
        );
        ensure!(
            answer.status < 300 || answer.is_graph_error() || is_http_error(request, &answer),
            "{what}: {} {:.300} was answered {} {told:.500}",
            request.method,
            request.target,
            answer.status
        );
        Ok(answer)
    }

    /// The same, and it has to be refused.
    async fn refused(&mut self, what: &str, request: &Request) -> Result<()> {
        let answer = self.ask(what, request).await?;
        let told = String::from_utf8_lossy(&answer.body);
        ensure!(
            answer.status >= 400,
            "{what}: {} {:.300} was carried out: {told:.500}",
            request.method,
            request.target
        );
        Ok(())
    }

    async fn is_well(&self) -> Result<()> {
        let number = self.number(0)?;
        let answer = Request::new("GET", &format!("/v23.0/{}", number.phone_number_id), &number)
            .send(&self.up)
            .await?;
        ensure!(answer.status == 200, "the number is not told any more: {}", answer.status);
        let pid = self.up.pid().context("the process has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let resident = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.trim().split(' ').next()?.parse::<u64>().ok());
        let resident = resident.context("no resident size")?;
        ensure!(
            resident < MOST_RESIDENT_KIB,
            "{resident} KiB resident after {} requests",
            self.asked
        );
        Ok(())
    }
}

/// What is no HTTP, or not yet a request, is refused below the API, without a body.
fn is_http_error(request: &Request, answer: &Answer) -> bool {
    request.target.len() > 60_000 && matches!(answer.status, 400 | 414 | 431) && answer.body.is_empty()
}

fn fresh() -> Options {
    Options {
        ephemeral: true,
        ..Options::default()
    }
}

/// A value of every other type, some of them large.
fn other_values() -> Vec<(&'static str, String)> {
    let deep = |open: &str, close: &str, depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
    vec![
        ("null", "null".to_owned()),
        ("a number", "17".to_owned()),
        ("a broken number", "-0.0000001e308".to_owned()),
        ("a number beyond all", "1e400".to_owned()),
        ("true", "true".to_owned()),
        ("a text", r#""telepathy""#.to_owned()),
        ("an empty text", r#""""#.to_owned()),
        ("a text with a NUL", r#""a\u0000b""#.to_owned()),
        ("half a character", r#""\ud800""#.to_owned()),
        ("a long text", format!("\"{}\"", "ż".repeat(100_000))),
        ("a list", "[]".to_owned()),
        ("a list of lists", "[[],[[]]]".to_owned()),
        ("a long list", format!("[{}0]", "0,".repeat(50_000))),
        ("an object", "{}".to_owned()),
        ("an object of nonsense", r#"{"":null,"id":{"id":[]}}"#.to_owned()),
        ("a deep list", deep("[", "]", 100)),
        ("a deeper list", deep("[", "]", 50_000)),
        ("a deep object", deep(r#"{"a":"#, "}", 20_000)),
    ]
}

/// The object with one member written differently.
fn with_member(object: &Map<String, Value>, name: &str, value: &str) -> String {
    let members: Vec<String> = object
        .iter()
        .map(|(key, own)| format!("{}:{}", json!(key), if key == name { value.to_owned() } else { own.to_string() }))
        .collect();
    format!("{{{}}}", members.join(","))
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_no_client_should_send() -> Result<()> {
    let mut world = World::start(fresh()).await?;
    let number = world.number(0)?;
    let whole: Vec<(&str, Vec<u8>, bool)> = vec![
        ("a list", b"[]".to_vec(), true),
        ("a text", b"\"x\"".to_vec(), true),
        ("half an object", b"{\"messaging_product\":".to_vec(), true),
        ("two objects", b"{} {}".to_vec(), true),
        ("wrong UTF-8", b"{\"messaging_product\":\"\xff\xfe\"}".to_vec(), true),
        ("NULs", vec![0; 1000], true),
        ("deep lists", b"[".repeat(200_000), true),
        ("deep objects", b"{\"a\":".repeat(50_000), true),
        (
            "more than fits",
            format!("{{\"x\":\"{}\"}}", "x".repeat(3 << 20)).into_bytes(),
            true,
        ),
        ("no members", b"{}".to_vec(), false),
        ("nothing", Vec::new(), false),
    ];
    for operation in world.operations.clone() {
        let request = Request::new(&operation.method, &operation.target(&number), &number);
        if operation.method != "GET" && !operation.examples.is_empty() {
            for (what, body, is_wrong) in &whole {
                let what = format!("{}, {what}", operation.id);
                let request = request.clone().json(body.clone());
                // Where everything may be left out, an example says so.
                let may_be_empty = operation.examples.iter().any(|(_, example)| example == &json!({}));
                match *is_wrong && !(may_be_empty && body.is_empty()) {
                    true => world.refused(&what, &request).await?,
                    false => drop(world.ask(&what, &request).await?),
                }
            }
        }
        for (example, value) in &operation.examples {
            let Value::Object(object) = value else { continue };
            for name in object.keys() {
                for (what, other) in other_values() {
                    let what = format!("{}, {example}: {name} is {what}", operation.id);
                    world.ask(&what, &request.clone().json(with_member(object, name, &other))).await?;
                }
                let twice = value.to_string().replacen('{', &format!("{{{}:[1],", json!(name)), 1);
                world
                    .ask(&format!("{}, {example}: {name} twice", operation.id), &request.clone().json(twice))
                    .await?;
                let mut without = object.clone();
                without.remove(name);
                let without = Value::Object(without).to_string();
                world
                    .ask(&format!("{}, {example}: no {name}", operation.id), &request.clone().json(without))
                    .await?;
            }
            for kind in [
                "text/plain",
                "application/x-www-form-urlencoded",
                "multipart/form-data",
                "multipart/form-data; boundary=x",
                "\u{7f}",
            ] {
                let what = format!("{}, {example} as {kind:?}", operation.id);
                if kind.is_ascii() && !kind.contains('\u{7f}') {
                    world.ask(&what, &request.clone().body(kind, value.to_string())).await?;
                }
            }
        }
    }
    world.is_well().await
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_that_no_client_should_send() -> Result<()> {
    let mut world = World::start(fresh()).await?;
    let number = world.number(0)?;
    let part = |head: &str, body: &str| format!("--b\r\n{head}\r\n\r\n{body}\r\n");
    let file = |name: &str, kind: &str| {
        part(
            &format!("Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: {kind}"),
            "x",
        )
    };
    let product = part("Content-Disposition: form-data; name=\"messaging_product\"", "whatsapp");
    let bodies: Vec<(&str, &str, String)> = vec![
        ("nothing", "multipart/form-data; boundary=b", String::new()),
        ("no boundary", "multipart/form-data", format!("{product}--b--\r\n")),
        ("an empty boundary", "multipart/form-data; boundary=", format!("{product}--b--\r\n")),
        ("another boundary", "multipart/form-data; boundary=c", format!("{product}--b--\r\n")),
        ("no file", "multipart/form-data; boundary=b", format!("{product}--b--\r\n")),
        (
            "no end",
            "multipart/form-data; boundary=b",
            format!("{product}{}", file("a.png", "image/png")),
        ),
        (
            "no disposition",
            "multipart/form-data; boundary=b",
            format!("{}--b--\r\n", part("X: y", "z")),
        ),
        (
            "a type that is none",
            "multipart/form-data; boundary=b",
            format!("{product}{}--b--\r\n", file("a", "/;;=")),
        ),
        (
            "a name like a path",
            "multipart/form-data; boundary=b",
            format!("{product}{}--b--\r\n", file("../../etc/passwd", "image/png")),
        ),
        (
            "a thousand parts",
            "multipart/form-data; boundary=b",
            format!("{}--b--\r\n", product.repeat(1000)),
        ),
        (
            "a long head",
            "multipart/form-data; boundary=b",
            format!("{}--b--\r\n", part(&format!("X: {}", "y".repeat(1 << 20)), "z")),
        ),
        (
            "a long member",
            "multipart/form-data; boundary=b",
            format!(
                "{}--b--\r\n",
                part("Content-Disposition: form-data; name=\"type\"", &"z".repeat(3 << 20))
            ),
        ),
        ("no form", "application/json", "{}".to_owned()),
        ("no type", "x", "file".to_owned()),
    ];
    let uploads: Vec<Operation> = world.operations.iter().filter(|operation| operation.takes_file).cloned().collect();
    ensure!(!uploads.is_empty(), "no operation takes a file");
    for operation in uploads {
        for (what, kind, body) in &bodies {
            let request = Request::new(&operation.method, &operation.target(&number), &number).body(kind, body.clone());
            world.refused(&format!("{}, {what}", operation.id), &request).await?;
        }
    }
    world.is_well().await
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_headers_and_queries_that_no_client_should_send() -> Result<()> {
    let mut world = World::start(fresh()).await?;
    let number = world.number(0)?;
    for operation in world.operations.clone() {
        let target = operation.target(&number);
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let query = if query.is_empty() { String::new() } else { format!("&{query}") };
        let targets = [
            format!("/{}", path.replace('/', "%2F")),
            path.replacen('/', "/../", 2),
            format!("{path}/.."),
            format!("{path}/%2e%2e/{}", number.phone_number_id),
            format!("{path}%00"),
            format!("{path}%zz"),
            format!("{path}%"),
            format!("{path};x=y"),
            format!("{path}/nonsense"),
            format!("{path}/a/b/c/d/e/f/g/h/i"),
            format!("{path}?fields={}{query}", "%FF"),
            format!("{path}?{}{query}", "a=b&".repeat(4000)),
            format!("{path}?fields={}{query}", "x,".repeat(4000)),
            format!("{path}?fields={}{query}", "a%7B".repeat(2000)),
            format!("{path}?limit=-1&after=%00&before=AAAA{query}"),
            format!("{path}?limit=99999999999999999999{query}"),
            format!("{path}/{}", "x".repeat(20_000)),
            path.replacen("/v23.0/", "/v23.0.1/", 1),
            path.replacen("/v23.0/", "/v99999999/", 1),
            path.replace(&number.phone_number_id, "00000000000000000000"),
            path.replace(&number.phone_number_id, "-1"),
            path.replace(&number.phone_number_id, "1e9"),
        ];
        for target in targets {
            let request = Request::new(&operation.method, &target, &number);
            world.ask(&operation.id, &request).await?;
        }
        for method in ["PUT", "PATCH", "OPTIONS", "TRACE", "FROBNICATE"] {
            world
                .refused(&format!("{} with {method}", operation.id), &Request::new(method, &target, &number))
                .await?;
        }
        for (headers, token) in [
            ("Authorization: Basic eDp5\r\n", None),
            ("Authorization: Bearer\r\n", None),
            ("Authorization: Bearer \u{e9}\r\n", None),
            ("Range: bytes=9-1\r\n", Some(number.token.clone())),
            ("Range: bytes=18446744073709551616-\r\n", Some(number.token.clone())),
            ("Idempotency-Key: \r\n", Some(number.token.clone())),
            ("Content-Encoding: gzip\r\n", Some(number.token.clone())),
        ] {
            let mut request = Request::new(&operation.method, &target, &number);
            request.headers.push_str(headers);
            request.token = token;
            world.ask(&format!("{} with {headers:?}", operation.id), &request).await?;
        }
    }
    world.is_well().await
}

/// A business of its own, for `--file`.
fn tenant(name: &str, phone: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\nstringData: {{token: {name}-token-0001-0001, appSecret: {name}-secret-0001-0001, pin: \"246810\"}}\n---\n\
        apiVersion: waxseal.dev/v1alpha1\nkind: BusinessAccount\nmetadata: {{name: {name}}}\nspec: {{displayName: {name}, appSecretRef: {{name: {name}}}, \
        tokens: [{{name: first, secretRef: {{name: {name}}}}}]}}\n---\n\
        apiVersion: waxseal.dev/v1alpha1\nkind: BusinessPhoneNumber\nmetadata: {{name: {name}}}\nspec: {{phoneNumber: \"{phone}\", displayName: {name}, \
        accountRef: {{name: {name}}}, regionRef: {{name: laptop}}, retentionPolicyRef: {{name: one-week}}, pinSecretRef: {{name: {name}}}}}\n---\n"
    )
}

const SHARED: &str = "apiVersion: waxseal.dev/v1alpha1\nkind: DataRegion\nmetadata: {name: laptop}\nspec: {country: BR, area: here, retentionCapDays: 30}\n---\n\
    apiVersion: waxseal.dev/v1alpha1\nkind: RetentionPolicy\nmetadata: {name: one-week}\nspec: {days: 7, contentDeletion: OnDelivery}\n---\n";

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reaches_what_is_another_tenants() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("two.yaml");
    std::fs::write(
        &file,
        format!("{SHARED}{}{}", tenant("acme", "+15550111"), tenant("other", "+15550112")),
    )?;
    let mut options = fresh();
    options.args = vec!["--file".to_owned(), file.display().to_string()];
    let mut world = World::start(options).await?;
    let (ours, theirs) = (world.number(0)?, world.number(1)?);
    for operation in world.operations.clone() {
        let is_open = ["/oauth/", "/source"].iter().any(|word| operation.path.contains(word));
        let target = operation.target(&theirs);
        let bodies: Vec<Option<Value>> = match operation.examples.is_empty() {
            true => vec![None],
            false => operation.examples.iter().map(|(_, value)| Some(value.clone())).collect(),
        };
        for body in bodies {
            let mut request = Request::new(&operation.method, &target, &ours);
            if let Some(body) = &body {
                request = request.json(body.to_string());
            }
            for (whose, token) in [
                ("another's token", Some(ours.token.clone())),
                ("nobody's token", Some("nobody".to_owned())),
                ("no token", None),
            ] {
                let what = format!("{} with {whose}", operation.id);
                request.token = token;
                if is_open {
                    world.ask(&what, &request).await?;
                    continue;
                }
                let answer = world.ask(&what, &request).await?;
                let told = String::from_utf8_lossy(&answer.body).into_owned();
                // Who has a token may ask what another is, and is told that it is none of theirs.
                let may_ask = operation.path == "/debug_token" && request.token.as_ref() == Some(&ours.token);
                ensure!(answer.status >= 400 || may_ask, "{what} was carried out: {told:.300}");
                ensure!(
                    !told.contains(&theirs.phone_number[1..]) && !told.contains(&theirs.token),
                    "{what} tells of the other tenant: {told:.300}"
                );
            }
        }
    }
    world.is_well().await
}
