//! The fence and the order of a group, job by job, without sockets.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use tempfile::TempDir;
use tokio::sync::Semaphore;
use waxseal_protocol::proto::Role;

use super::*;
use crate::config::Config;
use crate::connection::Hello;
use crate::store::Store;

struct World {
    _dir: TempDir,
    _jobs: mpsc::Receiver<Job>,
    shared: Arc<Shared>,
    writer: Writer,
}

fn number(digits: u64) -> Number {
    Number::from_key(digits)
}

const BUSINESS: u64 = 15_550_100;
const CONSUMER: u64 = 15_550_001;
const CREDENTIAL: [u8; 32] = [7; 32];

impl World {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let config = Config::new("127.0.0.1:0".parse().unwrap(), dir.path().join("relay"));
        let (sender, jobs) = mpsc::channel(1);
        let store = Store::open(&config.state_dir, 1024 * 1024).unwrap();
        let shared = Arc::new(Shared::new(&config, store, sender).unwrap());
        let writer = Writer::new(Arc::clone(&shared)).unwrap();
        let mut world = Self {
            _dir: dir,
            _jobs: jobs,
            shared,
            writer,
        };
        for (digits, role) in [(BUSINESS, Role::Business), (CONSUMER, Role::Consumer)] {
            let pin = Pin::new("123456", None, &mut rand::rng());
            let registration = Box::new(Registration {
                role,
                credential_hash: CREDENTIAL,
                pin,
                identity_key: vec![1],
                registration_id: 1,
            });
            let (reply, answer) = oneshot::channel();
            world.group(vec![Job::Register {
                number: number(digits),
                registration,
                reply,
            }]);
            assert_eq!(answer.blocking_recv().unwrap(), Ok(false));
        }
        world
    }

    fn group(&mut self, mut jobs: Vec<Job>) {
        self.writer.group(&mut jobs).ok().unwrap();
    }

    fn connection(&self, digits: u64, epoch: u64) -> Arc<Connection> {
        let hello = Hello {
            id: self.shared.next_connection_id(),
            number: number(digits),
            credential_hash: CREDENTIAL,
            epoch,
            terminator: Vec::new(),
            wants_integrity: false,
        };
        Arc::new(Connection::new(hello, 100, Arc::new(AtomicUsize::new(0)), 1_000_000))
    }

    fn queued(&self) -> u64 {
        self.writer.queues.totals().0
    }
}

fn open(connection: &Arc<Connection>) -> (Job, oneshot::Receiver<Result<Opened, Refusal>>) {
    let (reply, answer) = oneshot::channel();
    (
        Job::Open {
            connection: Arc::clone(connection),
            reply,
        },
        answer,
    )
}

fn submit(connection: &Arc<Connection>, recipient: &str, count: u8) -> Job {
    let envelope = |i: u8| Envelope {
        id: rand::random::<[u8; 16]>().to_vec().into(),
        recipient: recipient.into(),
        body: vec![i + 1].into(),
        ..Envelope::default()
    };
    let memory = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
    Job::Submit {
        connection: Arc::clone(connection),
        envelopes: (0..count).map(envelope).collect(),
        memory,
    }
}

#[test]
fn within_one_group_a_displaced_connection_counts_until_it_is_displaced_and_not_after() {
    let mut world = World::new();
    let (old, new) = (world.connection(BUSINESS, 1), world.connection(BUSINESS, 2));
    let (open_old, _) = open(&old);
    world.group(vec![open_old, submit(&old, "+15550100", 2)]);
    let sequences: Vec<u64> = {
        let page = store::queue::page(&world.shared.store.read().unwrap(), number(BUSINESS), 0, 10, 1_000, 0).unwrap();
        page.queued.iter().map(|queued| queued.sequence).collect()
    };
    assert_eq!(sequences.len(), 2);

    let (open_new, answer) = open(&new);
    let acknowledge = |connection: &Arc<Connection>, sequence| Job::Acknowledge {
        connection: Arc::clone(connection),
        sequences: vec![sequence],
    };
    world.group(vec![
        submit(&old, "+15550001", 3),
        acknowledge(&old, sequences[0]),
        open_new,
        submit(&old, "+15550001", 50),
        acknowledge(&old, sequences[1]),
        submit(&new, "+15550001", 1),
    ]);
    assert!(
        answer
            .blocking_recv()
            .unwrap()
            .is_ok_and(|opened| opened.queued == 1 && opened.highest_epoch == 2)
    );
    assert_eq!(world.queued(), 1 + 3 + 1);
    world.group(vec![submit(&old, "+15550001", 50), acknowledge(&new, sequences[1])]);
    assert_eq!(world.queued(), 3 + 1);
}

#[test]
fn a_refused_epoch_leaves_the_present_connection_alone() {
    let mut world = World::new();
    let (present, late) = (world.connection(BUSINESS, 5), world.connection(BUSINESS, 5));
    let ((open_present, _), (open_late, answer)) = (open(&present), open(&late));
    world.group(vec![
        open_present,
        open_late,
        submit(&late, "+15550001", 1),
        submit(&present, "+15550001", 1),
    ]);
    assert!(
        answer
            .blocking_recv()
            .unwrap()
            .is_err_and(|refusal| refusal == Refusal::StaleEpoch { highest: 5 })
    );
    assert_eq!(world.queued(), 1);
}

#[test]
fn a_connection_whose_client_is_gone_does_not_become_present() {
    let mut world = World::new();
    let connection = world.connection(CONSUMER, 0);
    connection.leave();
    let (open, answer) = open(&connection);
    world.group(vec![open]);
    assert!(answer.blocking_recv().unwrap().is_err());
    assert!(world.writer.present.is_empty());

    let connection = world.connection(CONSUMER, 0);
    let (open, _) = self::open(&connection);
    world.group(vec![open]);
    assert_eq!(world.writer.present.len(), 1);
    connection.leave();
    world.shared.gone(connection.number, connection.id);
    world.group(vec![Job::Tick]);
    assert!(world.writer.present.is_empty());
}

#[test]
fn when_the_state_fails_nothing_is_answered() {
    let mut world = World::new();
    let connection = world.connection(CONSUMER, 0);
    let (open_job, answer) = open(&connection);
    world.shared.store.close();
    assert!(world.writer.group(&mut vec![open_job]).is_err());
    assert!(answer.blocking_recv().is_err());
}
