//! Files over the HTTP port: upload, address, download, deletion; with clients as they are, and with clients as they should not be.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::{Client, Response};
use sha2::{Digest as _, Sha256};
use waxseal_sealing::stream::{Decryptor, FileKey};
use waxseal_sidecar::{file::Refusal, id::MediaId};

#[path = "support/files.rs"]
mod files;
#[path = "support/http.rs"]
mod http;

#[path = "media/uploads.rs"]
mod uploads;

use self::{
    files::{ID, OTHER, OTHER_TOKEN, TOKEN, World, file, form, jpeg, part, product},
    http::Connection,
};

const MULTIPART: &str = "multipart/form-data; boundary=XX";

async fn post(world: &World, path: &str, body: impl Into<reqwest::Body>) -> Response {
    let request = Client::new()
        .post(world.url(path))
        .bearer_auth(TOKEN)
        .header("content-type", MULTIPART);
    request.body(body).send().await.unwrap()
}

async fn upload(world: &World, parts: &[Vec<u8>]) -> Response {
    post(world, &format!("/v23.0/{ID}/media"), form(parts)).await
}

async fn uploaded(world: &World, mime_type: &str, content: &[u8]) -> String {
    id_of(upload(world, &[product(), file(mime_type, content)]).await).await
}

async fn id_of(response: Response) -> String {
    assert_eq!(response.status(), 200);
    let answer: serde_json::Value = response.json().await.unwrap();
    answer["id"].as_str().unwrap().to_owned()
}

/// HTTP status, code, and details of a Graph error.
async fn error(response: Response) -> (u16, u64, String) {
    let status = response.status().as_u16();
    let answer: serde_json::Value = response.json().await.unwrap();
    let details = answer["error"]["error_data"]["details"].as_str().unwrap_or_default();
    (status, answer["error"]["code"].as_u64().unwrap(), details.to_owned())
}

async fn get(world: &World, path: &str) -> Response {
    Client::new().get(world.url(path)).bearer_auth(TOKEN).send().await.unwrap()
}

async fn node(world: &World, id: &str) -> serde_json::Value {
    let response = get(world, &format!("/v23.0/{id}")).await;
    assert_eq!(response.status(), 200);
    response.json().await.unwrap()
}

async fn url(world: &World, id: &str) -> String {
    node(world, id).await["url"].as_str().unwrap().to_owned()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_goes_up_and_comes_back() {
    let mut world = World::start().await;
    let content = jpeg(300_000);
    let id = uploaded(&world, "image/jpeg", &content).await;
    assert!(id.len() == 16 && id.parse::<u64>().unwrap() < 1 << 53);
    for path in [format!("/v23.0/{id}?phone_number_id={ID}"), format!("/{id}/")] {
        let node: serde_json::Value = get(&world, &path).await.json().await.unwrap();
        let url = node["url"].as_str().unwrap();
        assert!(url.starts_with(&world.url("/media/")), "{url}");
        let mut members = node.clone();
        members["url"] = serde_json::Value::Null;
        assert_eq!(
            members,
            serde_json::json!({
                "messaging_product": "whatsapp", "url": null, "mime_type": "image/jpeg", "file_size": 300_000, "id": id,
                "sha256": hex::encode(Sha256::digest(&content)),
            })
        );
    }
    world.restart().await;
    let url = url(&world, &id).await;
    let response = Client::new().get(&url).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "content-type"), "image/jpeg");
    assert_eq!(header(&response, "content-length"), "300000");
    assert_eq!(header(&response, "content-disposition"), "attachment; filename=\"a file.bin\"");
    assert_eq!(header(&response, "cache-control"), "private, no-store");
    assert_eq!(header(&response, "etag"), format!("\"{}\"", hex::encode(Sha256::digest(&content))));
    assert_eq!(header(&response, "x-content-type-options"), "nosniff");
    assert!(response.bytes().await.unwrap() == content);
    let head = Client::new().head(&url).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!((head.status().as_u16(), header(&head, "content-length")), (200, "300000"));
    let deleted = Client::new()
        .delete(world.url(&format!("/v23.0/{id}")))
        .bearer_auth(TOKEN)
        .send()
        .await
        .unwrap();
    assert_eq!(
        deleted.json::<serde_json::Value>().await.unwrap(),
        serde_json::json!({"success": true})
    );
    assert_eq!(get(&world, &format!("/v23.0/{id}")).await.status(), 400);
    let gone = Client::new().get(&url).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(gone.status(), 404);
    assert_eq!(world.objects(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_clients_write_an_upload() {
    let world = World::start().await;
    let picture = jpeg(5000);
    let bare = |head: &str| part(head, &picture);
    let kind = part("name=\"type\"", b"image/jpeg");
    for (path, parts, mime_type) in [
        ("", vec![product(), kind.clone(), file("image/jpeg", &picture)], "image/jpeg"),
        ("", vec![file("image/jpeg", &picture), product(), kind.clone()], "image/jpeg"),
        ("", vec![file("image/jpeg", &picture), product()], "image/jpeg"),
        ("?messaging_product=whatsapp", vec![file("image/jpeg", &picture)], "image/jpeg"),
        (
            "?messaging_product=whatsapp&type=image/jpeg",
            vec![bare("name=\"file\"")],
            "image/jpeg",
        ),
        ("", vec![product(), bare("name=\"file\"; filename=\"x.jpg\"")], "image/jpeg"),
        ("", vec![product(), bare("name=file; filename=x.jpg")], "image/jpeg"),
        ("", vec![product(), file("application/octet-stream", &picture)], "image/jpeg"),
        ("", vec![product(), file("application/octet-stream", &picture), kind], "image/jpeg"),
        (
            "",
            vec![product(), part("name=\"type\"", b"image"), file("image/jpeg", &picture)],
            "image/jpeg",
        ),
        ("", vec![product(), file("IMAGE/JPG", &picture)], "image/jpeg"),
        (
            "",
            vec![product(), part("name=\"other\"", b"x"), file("image/jpeg", &picture)],
            "image/jpeg",
        ),
        (
            "",
            vec![product(), part("name=\"ttl_minutes\"", b"60"), file("image/jpeg", &picture)],
            "image/jpeg",
        ),
        (
            "",
            vec![product(), file("image/jpeg", &picture), part("name=\"ttl_minutes\"", b"43200")],
            "image/jpeg",
        ),
        (
            "",
            vec![product(), file("text/plain; charset=utf-8", b"hi")],
            "text/plain; charset=utf-8",
        ),
    ] {
        let response = post(&world, &format!("/v23.0/{ID}/media{path}"), form(&parts)).await;
        let id = id_of(response).await;
        assert_eq!(node(&world, &id).await["mime_type"], mime_type, "{path}");
        let response = Client::new().get(url(&world, &id).await).bearer_auth(TOKEN).send().await.unwrap();
        assert_eq!(
            response.bytes().await.unwrap().len().to_string(),
            node(&world, &id).await["file_size"].to_string()
        );
    }
    // Chunked, without a length, in small pieces; no version; a slash at the end; what comes after the end is nobody's.
    let whole = [
        form(&[file("image/jpeg", &picture), product()]),
        Bytes::from_static(b"junk after the end"),
    ]
    .concat();
    let pieces: Vec<Result<Bytes, std::io::Error>> = whole.chunks(7).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let body = reqwest::Body::wrap(http_body_util::StreamBody::new(futures_util::stream::iter(
        pieces.into_iter().map(|piece| piece.map(hyper::body::Frame::data)),
    )));
    let id = id_of(post(&world, &format!("/{ID}/media/"), body).await).await;
    assert_eq!(node(&world, &id).await["file_size"], 5000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranges() {
    let world = World::start().await;
    let content = jpeg(200_000);
    let url = url(&world, &uploaded(&world, "image/jpeg", &content).await).await;
    let etag = format!("\"{}\"", hex::encode(Sha256::digest(&content)));
    let ask = async |headers: &[(&str, &str)]| {
        let request = headers
            .iter()
            .fold(Client::new().get(&url).bearer_auth(TOKEN), |request, (name, value)| {
                request.header(*name, *value)
            });
        request.send().await.unwrap()
    };
    for (range, from, to) in [
        ("bytes=0-0", 0, 1),
        ("bytes=65000-66000", 65_000, 66_001),
        ("bytes=199999-", 199_999, 200_000),
        ("bytes=-70000", 130_000, 200_000),
        ("bytes=0-", 0, 200_000),
    ] {
        let response = ask(&[("range", range)]).await;
        assert_eq!(response.status(), 206, "{range}");
        assert_eq!(header(&response, "content-range"), format!("bytes {from}-{}/200000", to - 1));
        assert_eq!(header(&response, "content-length"), (to - from).to_string());
        assert!(response.bytes().await.unwrap() == content[from..to], "{range}");
    }
    let beyond = ask(&[("range", "bytes=200000-")]).await;
    assert_eq!(
        (beyond.status().as_u16(), header(&beyond, "content-range")),
        (416, "bytes */200000")
    );
    let same = ask(&[("range", "bytes=0-0"), ("if-range", &etag)]).await;
    assert_eq!(same.status(), 206);
    let other = ask(&[("range", "bytes=0-0"), ("if-range", "\"other\"")]).await;
    assert_eq!((other.status().as_u16(), header(&other, "content-length")), (200, "200000"));
    assert_eq!(ask(&[("if-none-match", &etag)]).await.status(), 304);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_have_a_file() {
    let world = World::start().await;
    let id = uploaded(&world, "image/jpeg", &jpeg(100)).await;
    let url = url(&world, &id).await;
    let status = async |url: &str, token: Option<&str>| {
        let request = Client::new().get(url);
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(status(&url, Some(TOKEN)).await, 200);
    assert_eq!(status(&url, None).await, 401);
    assert_eq!(status(&url, Some("nobody's")).await, 401);
    assert_eq!(status(&url, Some(OTHER_TOKEN)).await, 403);
    for tampered in [
        url.replace("signature=", "signature=A"),
        url.replace("expires=", "expires=9"),
        url.replace(&id, "1234567890123456"),
        url.split("&signature").next().unwrap().to_owned(),
        url.split('?').next().unwrap().to_owned(),
    ] {
        assert_eq!(status(&tampered, Some(TOKEN)).await, 404, "{tampered}");
    }
    // As if it were of the other number.
    let moved = url.replace(ID, OTHER);
    assert_eq!(status(&moved, Some(TOKEN)).await, 403);
    assert_eq!(status(&moved, Some(OTHER_TOKEN)).await, 404);
    let node = world.url(&format!("/v23.0/{id}"));
    assert_eq!(status(&node, None).await, 401);
    assert_eq!(status(&node, Some(OTHER_TOKEN)).await, 400);
    assert_eq!(status(&format!("{node}?phone_number_id={ID}"), Some(TOKEN)).await, 200);
    let wrong = Client::new()
        .get(format!("{node}?phone_number_id={OTHER}"))
        .bearer_auth(TOKEN)
        .send()
        .await
        .unwrap();
    assert_eq!(error(wrong).await.1, 100);
    let theirs = Client::new().delete(&node).bearer_auth(OTHER_TOKEN).send().await.unwrap();
    assert_eq!(theirs.status(), 400);
    assert_eq!(status(&node, Some(TOKEN)).await, 200, "it is still there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_expires() {
    let world = World::with(Duration::from_secs(1)).await;
    let id = uploaded(&world, "image/jpeg", &jpeg(100)).await;
    let url = url(&world, &id).await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let response = Client::new().get(&url).bearer_auth(TOKEN).send().await.unwrap();
        if response.status() == 404 {
            assert!(error(response).await.2.contains("ask for a new one"));
            break;
        }
        assert_eq!(response.status(), 200);
        assert!(tokio::time::Instant::now() < deadline, "it never expires");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(get(&world, &format!("/v23.0/{id}")).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_that_are_refused() {
    let world = World::start().await;
    let small = file("image/jpeg", &jpeg(100));
    let with = |mime_type: &str, content: &[u8]| vec![product(), file(mime_type, content)];
    let ttl = |text: &[u8]| vec![product(), small.clone(), part("name=\"ttl_minutes\"", text)];
    let many: Vec<_> = (0..40).map(|number| part(&format!("name=\"p{number}\""), b"x")).collect();
    for (parts, status, code, says) in [
        (vec![small.clone()], 400, 131_008, "messaging_product is required"),
        (vec![product()], 400, 131_008, "file is required"),
        (
            vec![part("name=\"messaging_product\"", b"telegram"), small.clone()],
            400,
            100,
            "messaging_product must be",
        ),
        (
            vec![product(), small.clone(), small.clone()],
            400,
            100,
            "more than one part named file",
        ),
        (with("image/jpeg", b""), 400, 131_053, "The file is empty"),
        (with("image/jpeg", b"\x89PNG\r\n\x1a\n"), 400, 131_053, "declared as, image/jpeg"),
        (with("image/gif", b"GIF89a"), 400, 100, "none that the Cloud API takes"),
        (with("video/quicktime", b"xxxx"), 400, 100, "none that the Cloud API takes"),
        (with("not a/type", b"x"), 400, 100, "type/subtype"),
        (with("image/jpeg", &jpeg((5 << 20) + 1)), 400, 131_053, "larger than 5242880 bytes"),
        (
            with("image/webp", &[b"RIFF0000WEBPVP8 ".as_slice(), &[0; 102_400]].concat()),
            400,
            131_053,
            "larger than 102400 bytes",
        ),
        (ttl(b"59"), 400, 100, "ttl_minutes"),
        (ttl(b"43201"), 400, 100, "ttl_minutes"),
        (ttl(b"soon"), 400, 100, "ttl_minutes"),
        (
            vec![product(), part("name=\"type\"", &[b'x'; 5000]), small.clone()],
            400,
            100,
            "longer than 4096 bytes",
        ),
        (
            vec![product(), part("name=\"type\"", b"\xff\xfe"), small.clone()],
            400,
            100,
            "not UTF-8",
        ),
        (many, 400, 100, "more than 32 parts"),
        (
            vec![part(
                &format!("name=\"file\"; filename=\"x\"\r\nX-Long: {}", "x".repeat(200_000)),
                b"x",
            )],
            400,
            100,
            "longer than 65536 bytes",
        ),
        (
            vec![product(), part("name=\"file\"\r\nContent-Transfer-Encoding: base64", b"aGk=")],
            400,
            100,
            "must be binary",
        ),
    ] {
        let (was, had, details) = error(upload(&world, &parts).await).await;
        assert_eq!((was, had), (status, code), "{says}: {details}");
        assert!(details.contains(says), "{says}: {details}");
    }
    // No form at all, and one with a boundary of another.
    let path = format!("/v23.0/{ID}/media");
    let json = Client::new()
        .post(world.url(&path))
        .bearer_auth(TOKEN)
        .json(&serde_json::json!({"file": 1}));
    assert_eq!(error(json.send().await.unwrap()).await.1, 100);
    let empty = Client::new().post(world.url(&path)).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(error(empty).await.1, 100);
    assert_eq!(
        error(post(&world, &path, Bytes::from_static(b"--YY\r\n\r\nx\r\n--YY--\r\n")).await)
            .await
            .0,
        400
    );
    // A preamble as large as an upload is not gathered.
    let (status, _, _) = error(post(&world, &path, vec![b'x'; 4 << 20]).await).await;
    assert_eq!(status, 400);
    let nobody = Client::new()
        .post(world.url(&path))
        .header("content-type", MULTIPART)
        .body(form(&[product()]));
    assert_eq!(nobody.send().await.unwrap().status(), 401);
    until_no_objects(&world).await;
}

/// What was refused is deleted in the background.
async fn until_no_objects(world: &World) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while world.objects() > 0 {
        assert!(tokio::time::Instant::now() < deadline, "{} objects are left", world.objects());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_that_break_off() {
    let world = World::start().await;
    let head = |length: &str| {
        format!(
            "POST /v23.0/{ID}/media HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: {MULTIPART}\r\n{length}\r\n\r\n"
        )
    };
    let whole = form(&[product(), file("image/jpeg", &jpeg(400_000))]);
    // The connection ends in the middle of the file.
    let mut connection = Connection::open(world.address()).await;
    connection.write(head(&format!("content-length: {}", whole.len())).as_bytes()).await;
    connection.write(&whole[..300_000]).await;
    connection.finish().await;
    if let Some(answer) = connection.answer().await {
        assert_eq!(answer.status, 400);
    }
    // It just goes away.
    let mut connection = Connection::open(world.address()).await;
    connection.write(head(&format!("content-length: {}", whole.len())).as_bytes()).await;
    connection.write(&whole[..300_000]).await;
    drop(connection);
    // The body ends in good order, but before the form does.
    let mut connection = Connection::open(world.address()).await;
    connection.write(head("content-length: 300000").as_bytes()).await;
    connection.write(&whole[..300_000]).await;
    let answer = connection.answer().await.unwrap();
    assert_eq!(answer.error(), (400, 100));
    // Wrongly framed.
    let mut connection = Connection::open(world.address()).await;
    connection.write(head("transfer-encoding: chunked").as_bytes()).await;
    connection.write(b"5\r\n--XX\r\n\r\nnot a chunk").await;
    connection.finish().await;
    if let Some(answer) = connection.answer().await {
        assert_eq!(answer.status, 400);
    }
    until_no_objects(&world).await;
    assert!(
        !uploaded(&world, "image/jpeg", &jpeg(10)).await.is_empty(),
        "nothing of this harms others"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_files_are_told_as_they_are() {
    let world = World::start().await;
    for (name, disposition) in [
        ("plain.pdf", "attachment; filename=\"plain.pdf\""),
        (
            "r\u{e9}sum\u{e9} 1.pdf",
            "attachment; filename=\"r_sum_ 1.pdf\"; filename*=UTF-8''r%C3%A9sum%C3%A9%201.pdf",
        ),
        ("../../etc/passwd", "attachment; filename=\"passwd\""),
        ("100%.pdf", "attachment; filename=\"100_.pdf\"; filename*=UTF-8''100%25.pdf"),
    ] {
        let head = format!("name=\"file\"; filename=\"{name}\"\r\nContent-Type: application/pdf");
        let id = id_of(upload(&world, &[product(), part(&head, b"%PDF-1.4")]).await).await;
        let response = Client::new().get(url(&world, &id).await).bearer_auth(TOKEN).send().await.unwrap();
        assert_eq!(header(&response, "content-disposition"), disposition, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_reaches_the_relay_and_a_consumer_opens_it() {
    let mut world = World::start().await;
    let content = jpeg(150_000);
    let id = MediaId::parse(&uploaded(&world, "image/jpeg", &content).await).unwrap();
    let pointer = world.number().media().outbound(id, SystemTime::now()).await.unwrap();
    // Whoever has the message has its name and its key.
    let client = waxseal_protocol::Client::new(&format!("http://{}", world.relay.addr())).unwrap();
    let account = waxseal_protocol::Account {
        number: "+4915100000001".to_owned(),
        credential: waxseal_protocol::Credential::from_bytes([7; 32]),
    };
    client
        .register(&account, waxseal_protocol::proto::Role::Consumer, None, &identity_key(), 1)
        .await
        .unwrap();
    let mut parts = client.get_blob(&account, pointer.blob.id.as_bytes(), 0, 0).await.unwrap();
    let mut decryptor = Decryptor::new(&FileKey::from_bytes(pointer.blob.key.reveal()));
    let mut plaintext = Vec::new();
    while let Some(part) = futures_util::StreamExt::next(&mut parts).await {
        decryptor.push(&part.unwrap(), &mut plaintext).unwrap();
    }
    decryptor.finish(&mut plaintext).unwrap();
    assert!(plaintext == content);
    // Nobody else has anything to read: not the relay's folder, not the store, not the media store.
    world.stop().await;
    let mut scanner = waxseal_harness::scan::Scanner::new();
    scanner.text("content", "marked-plaintext").unwrap();
    scanner.text("name", "a file.bin").unwrap();
    let hits = scanner.tree(world.folder.path()).unwrap();
    assert!(hits.is_empty(), "{} places in the clear", hits.len());
}

fn identity_key() -> Vec<u8> {
    let identity = waxseal_signal::Identity::generate(&mut rand::rng()).unwrap();
    identity.public_key().to_bytes().to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_that_is_erased_has_no_files() {
    let mut world = World::start().await;
    let id = MediaId::parse(&uploaded(&world, "image/jpeg", &jpeg(1000)).await).unwrap();
    assert_eq!(world.objects(), 1);
    assert!(world.number().media().find(id, SystemTime::now()).await.is_ok());
    let later = SystemTime::now() + Duration::from_secs(7 * 24 * 3600);
    assert_eq!(world.number().media().find(id, later).await.err(), Some(Refusal::NotFound));
    world.stop().await;
    let erased = waxseal_sidecar::erase(&world.config(), Duration::from_secs(20)).await;
    assert!(erased.iter().all(waxseal_sidecar::Erased::is_complete), "{erased:?}");
    assert_eq!(world.objects(), 0);
}
