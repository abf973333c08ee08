//! A business that keeps writing while something happens, and expects every answer to be 200.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, ensure};
use tokio::task::JoinHandle;
use waxseal_harness::business::{Business, text_to};

/// Between two messages.
const PACE: Duration = Duration::from_millis(25);

/// A load that is going on.
pub struct Load {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Result<Vec<String>>>,
}

impl Load {
    /// Begins writing numbered texts to one consumer, one after the other.
    pub fn start(business: Business, to: &str, prefix: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (flag, to, prefix) = (Arc::clone(&stop), to.to_owned(), prefix.to_owned());
        let task = tokio::spawn(async move {
            let mut sent = Vec::new();
            while !flag.load(Ordering::Relaxed) {
                let text = format!("{prefix} {}", sent.len());
                let answer = business.post(&text_to(&to, &text)).await?;
                ensure!(
                    answer.status == 200,
                    "message {} of {prefix} was answered {} {}",
                    sent.len(),
                    answer.status,
                    answer.json
                );
                sent.push(text);
                tokio::time::sleep(PACE).await;
            }
            Ok(sent)
        });
        Self { stop, task }
    }

    /// Ends it and returns what was accepted, in order.
    pub async fn end(self) -> Result<Vec<String>> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await?
    }
}
