//! `waxseal up --proxy`: a program that has graph.facebook.com built in reaches Waxseal.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use waxseal_e2e::{Business, Options, PATIENCE, World};

async fn world() -> Result<World> {
    World::with(|options| Options {
        args: vec!["--proxy".to_owned(), "127.0.0.1:0".to_owned()],
        ..options
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_with_the_name_built_in_talks_to_waxseal() -> Result<()> {
    let mut world = world().await?;
    let business = Business::behind_the_proxy(world.up.endpoints())?;
    let consumer = world.consumer()?;
    consumer.once(&["hello"], 0, PATIENCE).await?.ok()?;
    business.send_text(consumer.number(), "hello from afar").await?;
    assert_eq!(consumer.once(&[], 1, PATIENCE).await?.ok()?.texts(), ["hello from afar"]);

    // The address of a file leads through the proxy as well.
    let (client, number) = (business.client(), business.number());
    let url = format!("https://graph.facebook.com/v23.0/{}/media", number.phone_number_id);
    let form = "--x\r\nContent-Disposition: form-data; name=\"messaging_product\"\r\n\r\nwhatsapp\r\n--x\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nsome words\r\n--x--\r\n";
    let upload = client.post(url).bearer_auth(&number.token);
    let upload = upload.header("Content-Type", "multipart/form-data; boundary=x").body(form);
    let id: Value = upload.send().await?.error_for_status()?.json().await?;
    let id = id["id"].as_str().context("no id")?.to_owned();
    let node = client.get(format!("https://graph.facebook.com/{id}")).bearer_auth(&number.token);
    let node: Value = node.send().await?.error_for_status()?.json().await?;
    let url = node["url"].as_str().context("no url")?;
    ensure!(url.starts_with("https://graph.facebook.com/"), "{url}");
    let file = client.get(url).bearer_auth(&number.token).send().await?.error_for_status()?;
    assert_eq!(file.text().await?, "some words");

    // Started again, the same authority is trusted.
    world.up.sigint_and_wait().await?;
    let before = std::fs::read(world.up.state_dir().join("authority/ca.pem"))?;
    world.up.restart().await?;
    assert_eq!(std::fs::read(world.up.state_dir().join("authority/ca.pem"))?, before);
    let business = Business::behind_the_proxy(world.up.endpoints())?;
    business.send_text(consumer.number(), "and once more").await?;
    assert_eq!(consumer.once(&[], 1, PATIENCE).await?.ok()?.texts(), ["and once more"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_leads_nowhere_else() -> Result<()> {
    let world = world().await?;
    let proxy = world.up.endpoints().proxy.as_ref().context("no proxy")?.url.replace("http://", "");
    let relay = world.up.endpoints().relay.replace("http://", "");
    for (request, status) in [
        (format!("CONNECT {relay} HTTP/1.1\r\nHost: {relay}\r\n\r\n"), "403"),
        (
            "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n".to_owned(),
            "403",
        ),
        (
            "CONNECT graph.facebook.com:22 HTTP/1.1\r\nHost: graph.facebook.com\r\n\r\n".to_owned(),
            "403",
        ),
        (
            "GET http://graph.facebook.com/ HTTP/1.1\r\nHost: graph.facebook.com\r\n\r\n".to_owned(),
            "501",
        ),
        ("\x16\x03\x01 nonsense\r\n\r\n".to_owned(), "400"),
    ] {
        let mut stream = TcpStream::connect(&proxy).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut start = [0; 12];
        stream.read_exact(&mut start).await.with_context(|| request.clone())?;
        assert_eq!(std::str::from_utf8(&start)?, format!("HTTP/1.1 {status}"), "{request}");
    }
    let output = world.up.output();
    ensure!(output.contains("NO_PROXY=example.com"), "{output}");
    Ok(())
}
