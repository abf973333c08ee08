//! `waxseal up --ephemeral`: works like any other, and leaves nothing.

use anyhow::{Result, ensure};
use waxseal_e2e::{Options, PATIENCE, World};

#[tokio::test(flavor = "multi_thread")]
async fn an_ephemeral_one_leaves_nothing() -> Result<()> {
    let mut world = World::with(|options| Options {
        ephemeral: true,
        ..options
    })
    .await?;
    let folder = tempfile::tempdir()?;
    let consumer = world.consumer()?.at(folder.path(), &world.up.endpoints().relay);
    consumer.once(&["hello"], 0, PATIENCE).await?.ok()?;
    world.receiver.wait_for_messages(consumer.number(), 1, PATIENCE).await?;
    world.business.send_text(consumer.number(), "hello yourself").await?;
    assert_eq!(consumer.once(&[], 1, PATIENCE).await?.ok()?.texts(), ["hello yourself"]);

    let state_dir = world.up.state_dir().to_owned();
    ensure!(state_dir.join("endpoints.json").is_file());
    ensure!(world.up.sigint_and_wait().await?.code() == Some(0));
    ensure!(!state_dir.exists(), "{} is still there", state_dir.display());
    Ok(())
}
