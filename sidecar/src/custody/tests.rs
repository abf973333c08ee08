//! What custody promises whatever the keeper is.

use super::*;

fn generate() -> Result<Keys, Error> {
    Keys::generate(SystemTime::now(), &mut rand::rng())
}

/// Keeps in memory, and fails when told to.
#[derive(Clone, Default)]
struct Memory(Arc<std::sync::Mutex<State>>);

#[derive(Default)]
struct State {
    record: Option<Vec<u8>>,
    saves: usize,
    next: Next,
}

#[derive(Default, Clone, Copy)]
enum Next {
    #[default]
    Work,
    /// Nothing is kept.
    Fail,
    /// It is kept and the answer is lost.
    LoseAnswer,
}

impl Memory {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl Keeper for Memory {
    fn load(&mut self) -> BoxFuture<'_, Result<Option<Zeroizing<Vec<u8>>>, Error>> {
        let record = self.state().record.clone().map(Zeroizing::new);
        Box::pin(std::future::ready(Ok(record)))
    }

    fn save<'a>(&'a mut self, record: &'a [u8]) -> BoxFuture<'a, Result<(), Error>> {
        let mut state = self.state();
        state.saves += 1;
        let next = std::mem::take(&mut state.next);
        if !matches!(next, Next::Fail) {
            state.record = Some(record.to_vec());
        }
        let saved = match next {
            Next::Work => Ok(()),
            Next::Fail | Next::LoseAnswer => Err(Error::Write {
                place: self.place(),
                source: "told to".into(),
            }),
        };
        Box::pin(std::future::ready(saved))
    }

    fn destroy(&mut self) -> BoxFuture<'_, Result<(), Error>> {
        self.state().record = None;
        Box::pin(std::future::ready(Ok(())))
    }

    fn place(&self) -> String {
        "memory".to_owned()
    }
}

#[tokio::test]
async fn keys_survive() {
    let memory = Memory::default();
    let mut custody = Custody::open(Box::new(memory.clone()), generate).await.unwrap();
    let mut keys = custody.keys().clone();
    keys.epoch = 7;
    keys.signed_pre_keys.push(PreKeyEntry {
        id: 5,
        created_ms: 6,
        record: Zeroizing::new(vec![1, 2]),
        public: vec![3],
        signature: vec![4],
    });
    custody.replace(keys).await.unwrap();
    let again = Custody::open(Box::new(memory), || panic!("there are keys")).await.unwrap();
    let (again, keys) = (again.keys(), custody.keys());
    assert_eq!(again.epoch, 7);
    assert_eq!(again.identity.public_key().to_bytes(), keys.identity.public_key().to_bytes());
    assert_eq!(again.chain.key(), keys.chain.key());
    assert_eq!(again.signed_pre_keys[0].record.as_slice(), [1, 2]);
    assert_eq!(again.next_pre_key_id, keys.next_pre_key_id);
}

#[tokio::test]
async fn keys_of_before_there_was_a_book_open_and_get_its_key() {
    let memory = Memory::default();
    let mut custody = Custody::open(Box::new(memory.clone()), generate).await.unwrap();
    let mut old = custody.keys().clone();
    old.book_key = None;
    custody.replace(old).await.unwrap();
    let mut again = Custody::open(Box::new(memory.clone()), || panic!("there are keys")).await.unwrap();
    let mut keys = again.keys().clone();
    assert!(keys.book_key.is_none());
    let made = keys.book_key(&mut rand::rng());
    assert_eq!(keys.book_key(&mut rand::rng()), made, "made once");
    again.replace(keys).await.unwrap();
    assert_eq!(read(&mut memory.clone()).await.unwrap().unwrap().book_key, Some(made));
}

#[tokio::test]
async fn keys_that_may_not_have_been_kept_are_not_used() {
    for failure in [Next::Fail, Next::LoseAnswer] {
        let memory = Memory::default();
        let mut custody = Custody::open(Box::new(memory.clone()), generate).await.unwrap();
        let mut keys = custody.keys().clone();
        keys.epoch = 7;
        memory.state().next = failure;
        assert!(custody.replace(keys.clone()).await.unwrap_err().is_transient());
        assert_eq!(custody.keys().epoch, 0);
        custody.replace(keys).await.unwrap();
        assert_eq!(custody.keys().epoch, 7);
        assert_eq!(read(&mut memory.clone()).await.unwrap().unwrap().epoch, 7);
    }
}

#[tokio::test]
async fn new_keys_that_cannot_be_kept_are_not_handed_out() {
    let memory = Memory::default();
    memory.state().next = Next::Fail;
    assert!(Custody::open(Box::new(memory.clone()), generate).await.is_err());
    assert!(memory.state().record.is_none());
}

#[tokio::test]
async fn a_damaged_record_is_refused_and_kept() {
    let memory = Memory::default();
    memory.state().record = Some(b"garbage".to_vec());
    let refused = Custody::open(Box::new(memory.clone()), generate).await;
    assert!(matches!(refused, Err(Error::Malformed(_))));
    assert_eq!(memory.state().saves, 0);
    assert_eq!(memory.state().record.as_deref(), Some(&b"garbage"[..]));
}
