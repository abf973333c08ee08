//! The HTTP port as clients really use it, and as they should not: requests are written byte by byte, so that nothing tidies them up.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use waxseal_e2e::{Business, PATIENCE, World, numbers};
use waxseal_harness::business::text_to;

/// Sends bytes and reads the answer: its status and its body as JSON (`null` if it is none).
async fn raw(address: SocketAddr, request: &[u8]) -> Result<(u16, Value)> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request).await?;
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.context("no answer")??;
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").context("no HTTP answer")?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    Ok((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}

/// A request of the first number's client.
struct Request<'a> {
    method: &'a str,
    path: String,
    token: Option<&'a str>,
    headers: &'a str,
    body: Vec<u8>,
    chunked: bool,
}

impl<'a> Request<'a> {
    fn new(business: &'a Business, body: impl Into<Vec<u8>>) -> Self {
        let number = business.number();
        let path = format!("/v23.0/{}/messages", number.phone_number_id);
        Self {
            method: "POST",
            path,
            token: Some(&number.token),
            headers: "",
            body: body.into(),
            chunked: false,
        }
    }

    fn path(mut self, path: String) -> Self {
        self.path = path;
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!(
            "{} {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{}",
            self.method, self.path, self.headers
        )
        .into_bytes();
        if let Some(token) = self.token {
            bytes.extend(format!("Authorization: Bearer {token}\r\n").into_bytes());
        }
        if self.chunked {
            bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
            for piece in self.body.chunks(7) {
                bytes.extend(format!("{:x}\r\n", piece.len()).into_bytes());
                bytes.extend(piece);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\n\r\n");
        } else {
            bytes.extend(format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", self.body.len()).into_bytes());
            bytes.extend(&self.body);
        }
        bytes
    }

    async fn send(&self, business: &Business) -> Result<(u16, Value)> {
        raw(business.address()?, &self.bytes()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_real_clients_send_is_accepted_and_arrives() -> Result<()> {
    let world = World::start().await?;
    let (business, (consumer, chat)) = (&world.business, world.online().await?);
    let (plus, digits) = (consumer.number(), numbers::wa_id(consumer.number()));
    let id = &business.number().phone_number_id;
    let spaced = format!("+{} ({}) {}-{}", &digits[..1], &digits[1..4], &digits[4..7], &digits[7..]);
    let number: u64 = digits.parse()?;
    let body = |text: &str| text_to(plus, text).to_string();
    let request = |body: String| Request::new(business, body);
    let cases: Vec<(&str, Request<'_>)> = vec![
        (
            "a leading plus",
            request(json!({"messaging_product": "whatsapp", "to": plus, "type": "text", "text": {"body": "a leading plus"}}).to_string()),
        ),
        (
            "spaces, hyphens and parentheses",
            request(
                json!({"messaging_product": "whatsapp", "to": spaced, "type": "text", "text": {"body": "spaces, hyphens and parentheses"}})
                    .to_string(),
            ),
        ),
        (
            "a number that is a number",
            request(
                json!({"messaging_product": "whatsapp", "to": number, "type": "text", "text": {"body": "a number that is a number"}})
                    .to_string(),
            ),
        ),
        (
            "no type",
            request(json!({"messaging_product": "whatsapp", "to": digits, "text": {"body": "no type"}}).to_string()),
        ),
        (
            "null members",
            request(
                json!({"messaging_product": "whatsapp", "recipient_type": null, "to": digits, "type": "text", "context": null,
                    "biz_opaque_callback_data": null, "text": {"body": "null members", "preview_url": null}})
                .to_string(),
            ),
        ),
        (
            "members nobody knows",
            request(
                json!({"messaging_product": "whatsapp", "to": digits, "type": "text", "phoneId": "1", "x": [{"y": {}}],
                    "text": {"body": "members nobody knows", "format": 7}})
                .to_string(),
            ),
        ),
        ("raw UTF-8: żółć 🦆", request(body("raw UTF-8: żółć 🦆"))),
        (
            "chunked",
            Request {
                chunked: true,
                ..request(body("chunked"))
            },
        ),
        ("no version", request(body("no version")).path(format!("/{id}/messages"))),
        (
            "an old version",
            request(body("an old version")).path(format!("/v14.0/{id}/messages")),
        ),
        (
            "a version to come",
            request(body("a version to come")).path(format!("/v99.1/{id}/messages")),
        ),
        (
            "a version without its v",
            request(body("a version without its v")).path(format!("/23.0/{id}/messages")),
        ),
        (
            "a trailing slash",
            request(body("a trailing slash")).path(format!("/v23.0/{id}/messages/")),
        ),
    ];
    let mut sent = Vec::new();
    for (text, request) in cases {
        let (status, answer) = request.send(business).await?;
        ensure!(
            status == 200 && answer["messages"][0]["id"].as_str().is_some_and(|id| id.starts_with("wamid.")),
            "{text}: {status} {answer}"
        );
        assert_eq!(answer["contacts"][0]["wa_id"], digits, "{text}");
        sent.push(text.to_owned());
    }
    assert_eq!(chat.wait_for_texts(sent.len(), PATIENCE).await?, sent);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_refused_with_the_code_clients_know() -> Result<()> {
    let world = World::start().await?;
    let business = &world.business;
    let number = business.number();
    let consumer = numbers::consumer();
    let digits = numbers::wa_id(&consumer);
    let text = |members: Value| {
        let mut body = text_to(&consumer, "hello");
        for (name, value) in members.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        Request::new(business, body.to_string())
    };
    let without = |name: &str| {
        let mut body = text_to(&consumer, "hello");
        body.as_object_mut().map(|body| body.remove(name));
        Request::new(business, body.to_string())
    };
    let to = |to: &str| text(json!({"to": to}));
    let plain = || text(json!({}));
    let cases: Vec<(&str, Request<'_>, u16, u64)> = vec![
        ("no token", Request { token: None, ..plain() }, 401, 190),
        (
            "a wrong token",
            Request {
                token: Some("wx-wrong"),
                ..plain()
            },
            401,
            190,
        ),
        ("a number id nobody has", plain().path("/v23.0/1/messages".to_owned()), 400, 100),
        (
            "a path nobody knows",
            plain().path(format!("/v23.0/{}/nonsense", number.phone_number_id)),
            400,
            2500,
        ),
        (
            "another method",
            Request {
                method: "DELETE",
                ..plain()
            },
            400,
            100,
        ),
        ("an empty body", Request::new(business, ""), 400, 100),
        ("no JSON", Request::new(business, "{\"messaging_product\":"), 400, 100),
        (
            "JSON and more",
            Request::new(business, format!("{} {{}}", text_to(&consumer, "x"))),
            400,
            100,
        ),
        ("a list", Request::new(business, "[]"), 400, 100),
        (
            "wrong UTF-8",
            Request::new(business, b"{\"messaging_product\":\"\xff\"}".to_vec()),
            400,
            100,
        ),
        ("deep nesting", Request::new(business, "[".repeat(100_000)), 400, 100),
        ("a large body", text(json!({"text": {"body": "x".repeat(2 << 20)}})), 413, 100),
        (
            "a large chunked body",
            Request {
                chunked: true,
                ..text(json!({"text": {"body": "x".repeat(2 << 20)}}))
            },
            413,
            100,
        ),
        ("no messaging_product", without("messaging_product"), 400, 131_008),
        ("another product", text(json!({"messaging_product": "telegram"})), 400, 100),
        ("no recipient", without("to"), 400, 131_008),
        ("no text", without("text"), 400, 131_008),
        ("text that is none", text(json!({"text": "hello"})), 400, 100),
        ("text without a body", text(json!({"text": {}})), 400, 131_008),
        ("an empty text", text(json!({"text": {"body": ""}})), 400, 131_009),
        ("a long text", text(json!({"text": {"body": "ü".repeat(4097)}})), 400, 100),
        ("a type nobody knows", text(json!({"type": "telepathy"})), 400, 131_051),
        ("a type that is not served", text(json!({"type": "pin", "pin": {}})), 400, 131_051),
        (
            "a link into a private network",
            text(json!({"type": "image", "image": {"link": "http://169.254.169.254/i.png"}})),
            400,
            131_053,
        ),
        ("letters", to("+1555O2O1234"), 400, 131_009),
        ("a national number", to("0170 1234567"), 400, 131_009),
        ("no calling code", to("5550123"), 400, 131_009),
        ("too many digits", to("+15550123456789012"), 400, 131_009),
        ("a plus alone", to("+"), 400, 131_009),
        ("the business itself", to(&number.phone_number), 400, 131_021),
        (
            "a reaction to nothing",
            text(json!({"type": "reaction", "reaction": {"message_id": "nothing", "emoji": "👍"}})),
            400,
            131_009,
        ),
        (
            "a reaction in words",
            text(json!({"type": "reaction", "reaction": {"message_id": "wamid.QUJD", "emoji": "great"}})),
            400,
            131_009,
        ),
        (
            "an unknown message",
            Request::new(
                business,
                json!({"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.QUJD"}).to_string(),
            ),
            400,
            131_009,
        ),
        (
            "another status",
            Request::new(
                business,
                json!({"messaging_product": "whatsapp", "status": "seen", "message_id": "wamid.QUJD"}).to_string(),
            ),
            400,
            100,
        ),
    ];
    for (case, request, status, code) in cases {
        let (got, answer) = request.send(business).await.with_context(|| case.to_owned())?;
        let error = &answer["error"];
        ensure!((got, error["code"].as_u64()) == (status, Some(code)), "{case}: {got} {answer}");
        ensure!(
            error["message"].is_string() && error["type"].is_string() && error["fbtrace_id"].is_string(),
            "{case}: {answer}"
        );
        ensure!(!answer.to_string().contains(digits), "{case}: the answer repeats the number");
    }
    ensure!(world.receiver.deliveries().is_empty(), "something was sent");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http_harms_nobody() -> Result<()> {
    let world = World::start().await?;
    let address = world.business.address()?;
    let head = format!("POST /{}/messages HTTP/1.1\r\nHost: x\r\n", world.business.number().phone_number_id);
    let nonsense: Vec<Vec<u8>> = vec![
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"\x00".repeat(100_000),
        b"GET".to_vec(),
        format!("{head}Content-Length: 10\r\n\r\nhalf").into_bytes(),
        format!("{head}Content-Length: -1\r\n\r\n").into_bytes(),
        format!("{head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n").into_bytes(),
        format!("{head}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx").into_bytes(),
        format!("{head}X: {}\r\n\r\n", "y".repeat(1 << 20)).into_bytes(),
        rand::random::<[u8; 4096]>().to_vec(),
    ];
    for bytes in &nonsense {
        let mut stream = TcpStream::connect(address).await?;
        // It may be cut off before everything is written.
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        // Whether it is answered or cut off is all the same; that it ends is not.
        let _ = timeout(PATIENCE, stream.read_to_end(&mut answer))
            .await
            .context("the connection hangs")?;
        ensure!(!answer.starts_with(b"HTTP/1.1 2"), "nonsense was accepted");
    }
    let (consumer, chat) = world.online().await?;
    world.business.send_text(consumer.number(), "still here").await?;
    assert_eq!(chat.wait_for_texts(1, PATIENCE).await?, ["still here"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_repeated_with_its_key_is_one_message() -> Result<()> {
    let world = World::start().await?;
    let (consumer, chat) = world.online().await?;
    let body = text_to(consumer.number(), "once");
    let first = world.business.post_once(&body, "order-17").await?.wamid()?;
    let mut together = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (business, body) = (world.business.clone(), body.clone());
        together.spawn(async move { business.post_once(&body, "order-17").await?.wamid() });
    }
    while let Some(again) = together.join_next().await {
        assert_eq!(again??, first);
    }
    let other = world
        .business
        .post_once(&text_to(consumer.number(), "something else"), "order-17")
        .await?;
    assert_eq!((other.status.as_u16(), other.code()), (409, Some(100)));
    world
        .business
        .post_once(&text_to(consumer.number(), "another"), "order-18")
        .await?
        .wamid()?;
    assert_eq!(chat.wait_for_texts(2, PATIENCE).await?, ["once", "another"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_tells_about_itself() -> Result<()> {
    let world = World::start().await?;
    let number = world.business.number();
    let get = async |path: String| {
        let request = Request {
            method: "GET",
            ..Request::new(&world.business, "").path(path)
        };
        request.send(&world.business).await
    };
    let id = &number.phone_number_id;
    let (status, node) = get(format!("/v23.0/{id}")).await?;
    assert_eq!(
        (status, node["id"].as_str(), node["display_phone_number"].as_str()),
        (200, Some(id.as_str()), Some("+15550100"))
    );
    let (status, node) = get(format!("/{id}/?fields=status,throughput")).await?;
    assert_eq!(
        (status, &node),
        (200, &json!({"id": id, "status": "CONNECTED", "throughput": {"level": "STANDARD"}}))
    );
    let (status, refused) = get(format!("/v23.0/{id}?fields=nonsense")).await?;
    assert_eq!((status, refused["error"]["code"].as_u64()), (400, Some(100)));
    match get("/source".to_owned()).await? {
        (200, source) if source["license"] == "AGPL-3.0-only" => Ok(()),
        (status, answer) => bail!("{status} {answer}"),
    }
}
