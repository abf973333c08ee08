use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use waxseal_crds::v1alpha1::{ProblemReason, SidecarProblem};

use super::*;
use crate::pod::ownership::machine::Instance;

const HOUR: Duration = Duration::from_secs(3600);

#[derive(Default)]
struct Written {
    reports: Mutex<Vec<(String, SidecarStatus)>>,
    tries: AtomicUsize,
    is_away: AtomicBool,
}

impl Written {
    fn count(&self) -> usize {
        self.reports.lock().unwrap().len()
    }
}

impl Desk for Arc<Written> {
    async fn write(&self, namespace: &str, name: &str, status: &SidecarStatus) -> Result<(), String> {
        self.tries.fetch_add(1, Ordering::Relaxed);
        if self.is_away.load(Ordering::Relaxed) {
            return Err("away".to_owned());
        }
        self.reports.lock().unwrap().push((format!("{namespace}/{name}"), status.clone()));
        Ok(())
    }
}

fn start(fallback: Option<(String, String)>) -> (Arc<Board>, Arc<Written>) {
    let (board, written) = (Arc::new(Board::default()), Arc::new(Written::default()));
    let reporter = Reporter {
        desk: Arc::clone(&written),
        board: Arc::clone(&board),
        pod: "acme-1".to_owned(),
        fallback,
        metrics: Arc::new(Metrics::default()),
    };
    tokio::spawn(reporter.run());
    (board, written)
}

fn problem(reason: ProblemReason) -> SidecarProblem {
    SidecarProblem {
        reason,
        message: "m".to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_cannot_start_reports_once_for_every_change() {
    let (board, written) = start(Some(("shop".to_owned(), "acme".to_owned())));
    tokio::time::sleep(HOUR).await;
    assert_eq!(written.count(), 0, "there is nothing to tell");

    board.write(|state| state.files = vec![problem(ProblemReason::SecretMissing)]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(written.count(), 1, "at once");
    tokio::time::sleep(HOUR).await;
    assert_eq!(written.count(), 1, "nothing has changed");

    board.write(|state| {
        state.number_name = Some(("shop".to_owned(), "renamed".to_owned()));
        state.files = vec![problem(ProblemReason::SecretInvalid)];
    });
    tokio::time::sleep(HOUR).await;
    let reports = written.reports.lock().unwrap();
    let told: Vec<_> = reports
        .iter()
        .map(|(name, status)| (name.as_str(), status.problems[0].reason))
        .collect();
    assert_eq!(
        told,
        [
            ("shop/acme", ProblemReason::SecretMissing),
            ("shop/renamed", ProblemReason::SecretInvalid)
        ]
    );
    assert_eq!(reports[0].1.pod.as_deref(), Some("acme-1"));
}

#[tokio::test(start_paused = true)]
async fn only_the_owner_reports_and_nobody_who_leaves() {
    let (board, written) = start(None);
    board.write(|state| {
        state.number_name = Some(("shop".to_owned(), "acme".to_owned()));
        state.view = Some(View::Other(Instance(1), None));
        state.files = vec![problem(ProblemReason::ConfigurationInvalid)];
    });
    tokio::time::sleep(HOUR).await;
    assert_eq!(written.count(), 0, "the owner tells it");
    board.write(|state| state.view = Some(View::Mine));
    tokio::time::sleep(HOUR).await;
    assert_eq!(written.count(), 1);
    // Another owner has reported meanwhile: what is there is not what was written here.
    board.write(|state| state.view = Some(View::Other(Instance(1), None)));
    tokio::time::sleep(HOUR).await;
    board.write(|state| state.view = Some(View::Mine));
    tokio::time::sleep(HOUR).await;
    assert_eq!(written.count(), 2);
    board.write(|state| {
        state.is_leaving = true;
        state.files.clear();
    });
    tokio::time::sleep(HOUR).await;
    assert_eq!(written.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_is_away_is_asked_now_and_then() {
    let (board, written) = start(Some(("shop".to_owned(), "acme".to_owned())));
    written.is_away.store(true, Ordering::Relaxed);
    board.write(|state| state.files = vec![problem(ProblemReason::SecretMissing)]);
    tokio::time::sleep(Duration::from_secs(600)).await;
    let tries = written.tries.load(Ordering::Relaxed);
    assert!((60..=130).contains(&tries), "{tries} in ten minutes");
    written.is_away.store(false, Ordering::Relaxed);
    tokio::time::sleep(HOUR).await;
    assert_eq!(written.count(), 1);
}
