//! Resumable uploads, from clients that behave and from clients that do not; and what their handles are good for.

use std::time::{Duration, SystemTime};

use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};

use super::{
    error,
    files::{ID, OTHER, OTHER_TOKEN, TOKEN, World, jpeg},
    http::Connection,
    until_no_objects,
};

fn app() -> String {
    waxseal_sidecar::config::app_id("102290129340398")
}

async fn call(world: &World, method: Method, path: &str, token: &str, offset: Option<&str>, body: Vec<u8>) -> Response {
    // The scheme that the documentation of uploads has; `Bearer` is taken everywhere.
    let scheme = if offset.is_some() { "OAuth" } else { "Bearer" };
    let mut request = Client::new()
        .request(method, world.url(path))
        .header("authorization", format!("{scheme} {token}"));
    if let Some(offset) = offset {
        request = request.header("file_offset", offset);
    }
    request.body(body).send().await.unwrap()
}

async fn begin_as(world: &World, query: &str, token: &str) -> Response {
    call(
        world,
        Method::POST,
        &format!("/v23.0/{}/uploads?{query}", app()),
        token,
        None,
        Vec::new(),
    )
    .await
}

async fn json_of(response: Response) -> Value {
    assert_eq!(response.status(), StatusCode::OK);
    response.json().await.unwrap()
}

async fn begin(world: &World, kind: &str, length: usize) -> String {
    let query = format!("file_name=a.bin&file_length={length}&file_type={kind}");
    let begun = json_of(begin_as(world, &query, TOKEN).await).await;
    let id = begun["id"].as_str().unwrap();
    assert!(id.starts_with("upload:") && begun.as_object().unwrap().len() == 1, "{begun}");
    id.to_owned()
}

async fn put(world: &World, id: &str, offset: usize, bytes: &[u8]) -> Response {
    let offset = offset.to_string();
    call(world, Method::POST, &format!("/v23.0/{id}"), TOKEN, Some(&offset), bytes.to_vec()).await
}

async fn handle(response: Response) -> String {
    let answer = json_of(response).await;
    let handle = answer["h"].as_str().unwrap().to_owned();
    assert!(handle.starts_with("4::"));
    handle
}

async fn offset(world: &World, id: &str) -> u64 {
    let answer = json_of(call(world, Method::GET, &format!("/v23.0/{id}"), TOKEN, None, Vec::new()).await).await;
    assert_eq!(answer["id"], id);
    answer["file_offset"].as_u64().unwrap()
}

async fn profile(world: &World, body: Value) -> Response {
    let path = format!("/v23.0/{ID}/whatsapp_business_profile");
    let request = Client::new().post(world.url(&path)).bearer_auth(TOKEN).json(&body);
    request.send().await.unwrap()
}

async fn picture_url(world: &World) -> Option<String> {
    let path = format!("/v23.0/{ID}/whatsapp_business_profile?fields=about,profile_picture_url");
    let answer = json_of(call(world, Method::GET, &path, TOKEN, None, Vec::new()).await).await;
    answer["data"][0]["profile_picture_url"].as_str().map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_becomes_the_picture_of_the_profile() {
    let mut world = World::start().await;
    let content = jpeg(1_300_000);
    let id = begin(&world, "image/jpeg", content.len()).await;
    assert_eq!(offset(&world, &id).await, 0);
    let named = handle(put(&world, &id, 0, &content).await).await;
    assert_eq!(offset(&world, &id).await, content.len() as u64);
    // Whoever did not hear the answer asks again.
    assert_eq!(handle(put(&world, &id, content.len(), b"").await).await, named);
    assert_eq!(profile(&world, json!({"profile_picture_handle": named})).await.status(), 200);
    let first = picture_url(&world).await.unwrap();
    world.restart().await;
    let url = picture_url(&world).await.unwrap();
    let fetched = Client::new().get(&url).send().await.unwrap();
    assert_eq!(fetched.status(), 200);
    assert_eq!(fetched.headers()["content-type"], "image/jpeg");
    assert!(fetched.bytes().await.unwrap() == content);
    let forged = url.replace("expires=1", "expires=2");
    assert_eq!(Client::new().get(forged).send().await.unwrap().status(), 404);
    // Another one takes its place: a PNG that its client takes for a JPEG.
    let png = [b"\x89PNG\r\n\x1a\n".as_slice(), &[7; 500]].concat();
    let id = begin(&world, "image/jpeg", png.len()).await;
    let named = handle(put(&world, &id, 0, &png).await).await;
    assert_eq!(
        profile(&world, json!({"profile_picture_handle": named, "about": "New"}))
            .await
            .status(),
        200
    );
    let second = picture_url(&world).await.unwrap();
    let fetched = Client::new().get(&second).send().await.unwrap();
    assert_eq!(fetched.headers()["content-type"], "image/png");
    assert!(fetched.bytes().await.unwrap() == png);
    let path = |url: &str| url.split_once("/profile_pictures/").unwrap().1.to_owned();
    let before = world.url(&format!("/profile_pictures/{}", path(&first)));
    assert_eq!(Client::new().get(before).send().await.unwrap().status(), 404, "it is gone");
    assert_eq!(profile(&world, json!({"profile_picture_handle": ""})).await.status(), 200);
    assert_eq!(picture_url(&world).await, None);
    assert_eq!(Client::new().get(second).send().await.unwrap().status(), 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_breaks_off_goes_on() {
    let mut world = World::start().await;
    let content = jpeg(900_000);
    let id = begin(&world, "image/jpeg", content.len()).await;
    let mut at = 0;
    for (length, is_dropped) in [(300_000, false), (200_000, true)] {
        let head = format!(
            "POST /v23.0/{id} HTTP/1.1\r\nhost: x\r\nauthorization: OAuth {TOKEN}\r\nfile_offset: {at}\r\ncontent-length: {}\r\n\r\n",
            content.len() - at
        );
        let mut connection = Connection::open(world.address()).await;
        connection.write(head.as_bytes()).await;
        connection.write(&content[at..at + length]).await;
        if is_dropped {
            drop(connection);
        } else {
            connection.finish().await;
            if let Some(answer) = connection.answer().await {
                assert_eq!(answer.error(), (400, 100));
            }
        }
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while offset(&world, &id).await != (at + length) as u64 {
            assert!(tokio::time::Instant::now() < deadline, "what arrived is not kept");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        at += length;
        // What is kept is kept.
        world.restart().await;
    }
    // In order, but not all of it.
    let (status, code, details) = error(put(&world, &id, at, &content[at..at + 100_000]).await).await;
    assert_eq!((status, code), (400, 100));
    assert!(details.contains("600000 of 900000 bytes are here"), "{details}");
    at += 100_000;
    assert_eq!(error(put(&world, &id, at - 1, &content[at - 1..]).await).await.1, 100);
    assert_eq!(error(put(&world, &id, 0, &content).await).await.1, 100);
    let named = handle(put(&world, &id, at, &content[at..]).await).await;
    assert_eq!(profile(&world, json!({"profile_picture_handle": named})).await.status(), 200);
    let url = picture_url(&world).await.unwrap();
    assert!(Client::new().get(url).send().await.unwrap().bytes().await.unwrap() == content);
    assert_eq!(world.objects(), 1, "the pieces are gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_that_are_refused() {
    let world = World::start().await;
    for (query, code) in [
        ("file_type=image/jpeg", 131_008),
        ("file_length=10", 131_008),
        ("file_length=0&file_type=image/jpeg", 100),
        ("file_length=-1&file_type=image/jpeg", 100),
        ("file_length=many&file_type=image/jpeg", 100),
        ("file_length=99999999999999999999&file_type=image/jpeg", 100),
        ("file_length=5242881&file_type=image/jpeg", 131_053),
        ("file_length=10&file_type=image/gif", 100),
        ("file_length=10&file_type=jpeg", 100),
        ("file_length=10&file_type=image/jpeg&session_type=other", 100),
    ] {
        assert_eq!(error(begin_as(&world, query, TOKEN).await).await.1, code, "{query}");
    }
    let good = "file_length=1000&file_type=image/jpeg";
    assert_eq!(error(begin_as(&world, good, "wrong").await).await.1, 190);
    assert_eq!(
        error(begin_as(&world, &format!("{good}&phone_number_id={OTHER}"), TOKEN).await)
            .await
            .1,
        10
    );

    let content = jpeg(1000);
    let id = begin(&world, "image/jpeg", content.len()).await;
    let path = format!("/v23.0/{id}");
    // Of another tenant, of nobody, made up, bent.
    for (path, token, code) in [
        (path.as_str(), OTHER_TOKEN, 100),
        (&path, "wrong", 190),
        ("/v23.0/upload:", TOKEN, 100),
        ("/v23.0/upload:AAAA", TOKEN, 100),
        (&path[..path.len() - 2], TOKEN, 100),
        (&format!("{path}/more"), TOKEN, 100),
    ] {
        for method in [Method::GET, Method::POST] {
            let offset = (method == Method::POST).then_some("0");
            let answer = call(&world, method, path, token, offset, content.clone()).await;
            assert_eq!(error(answer).await.1, code, "{path}");
        }
    }
    for wrong in ["-1", "x", "1", "1000", "99999999999999999999"] {
        let answer = call(&world, Method::POST, &path, TOKEN, Some(wrong), content.clone()).await;
        assert_eq!(error(answer).await.1, 100, "{wrong}");
    }
    // Longer than was said: nothing of it is kept.
    let longer = [content.as_slice(), b"x"].concat();
    assert_eq!(error(put(&world, &id, 0, &longer).await).await.1, 100);
    // It never ends.
    let mut connection = Connection::open(world.address()).await;
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ntransfer-encoding: chunked\r\n\r\n");
    connection.write(head.as_bytes()).await;
    let chunk = [format!("{:x}\r\n", 100_000).as_bytes(), &[b'x'; 100_000], b"\r\n"].concat();
    let mut written = 0;
    while written < 200 && connection.try_write(&chunk).await {
        written += 1;
    }
    if let Some(answer) = connection.answer().await {
        assert_eq!(answer.error(), (400, 100));
    }
    assert_eq!(offset(&world, &id).await, 0);
    // Something else than was said: the session is over.
    assert_eq!(error(put(&world, &id, 0, &[b'x'; 1000]).await).await.1, 131_053);
    until_no_objects(&world).await;

    // Handles that are none, and one of what is no picture.
    for (said, code) in [("4::AAAA", 131_009), ("x", 131_009)] {
        assert_eq!(
            error(profile(&world, json!({"profile_picture_handle": said})).await).await.1,
            code,
            "{said}"
        );
    }
    let pdf = [b"%PDF-1.4".as_slice(), &[b' '; 92]].concat();
    let id = begin(&world, "application/pdf", pdf.len()).await;
    let named = handle(put(&world, &id, 0, &pdf).await).await;
    assert_eq!(
        error(profile(&world, json!({"profile_picture_handle": named})).await).await.1,
        131_053
    );
    assert_eq!(picture_url(&world).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_has_its_time() {
    let world = World::start().await;
    let (shelf, now) = (world.number().media(), SystemTime::now());
    let id = shelf.begin_upload("image/jpeg", 100, None, now).unwrap();
    let hours = |hours: u64| now + Duration::from_secs(hours * 3600);
    assert!(shelf.upload_of(&id, hours(23)).is_some());
    assert!(shelf.upload_of(&id, hours(25)).is_none());
    let upload = shelf.upload_of(&id, now).unwrap();
    let source = futures_util::stream::iter([Ok(bytes::Bytes::from(jpeg(100)))]);
    let waxseal_sidecar::media::Resumed::Whole(named) = shelf.resume(&upload, 0, source, now).await.unwrap() else {
        panic!("not whole");
    };
    // What was begun and never ended goes with its time.
    let id = shelf.begin_upload("image/jpeg", 100, None, now).unwrap();
    let upload = shelf.upload_of(&id, now).unwrap();
    let source = futures_util::stream::iter([Ok(bytes::Bytes::from(jpeg(50)))]);
    let part = shelf.resume(&upload, 0, source, now).await.unwrap();
    assert!(matches!(
        part,
        waxseal_sidecar::media::Resumed::Part {
            received_bytes: 50,
            size_bytes: 100
        }
    ));
    assert_eq!(world.objects(), 2);
    shelf.sweep(hours(26)).await.unwrap();
    assert_eq!(world.objects(), 0);
    assert!(shelf.uploaded(&named, hours(23)).await.is_ok());
    assert!(shelf.uploaded(&named, hours(25)).await.is_err());
}
