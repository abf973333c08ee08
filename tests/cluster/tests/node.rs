//! The whole of it on a real node: installed with Helm, declared with kubectl, used as a business and as a consumer, rolled, rotated, erased.
//!
//! One node serves all chapters, because it takes longer to start than to use; each chapter leaves behind what the next one begins with.
//! With `KUBECONFIG` set, they do not run there: they need a node whose addresses this machine can reach and whose images it can
//! bring.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod node {
    pub mod chapters;
    pub mod load;
    pub mod surface;
    pub mod world;
}

use node::{chapters, world::World};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_platform_team_and_a_business_use_it_on_a_real_node() {
    let mut world = World::start().await.expect("a node with everything on it");
    let outcome = chapters::all(&mut world).await;
    if let Err(error) = outcome {
        panic!("{error:#}\n{}", world.diagnosis().await);
    }
}
