//! What the book promises, over an embedded store.

use serde::{Deserialize, Serialize};
use waxseal_store::{Clock, Options};

use super::{
    writer::{TOGETHER, TTL},
    *,
};

const KEY: [u8; 32] = [9; 32];

#[derive(Default, Debug, PartialEq, Serialize, Deserialize)]
struct Note {
    text: String,
}

struct Desk {
    store: Store,
    names: Names,
    clock: Clock,
    _folder: tempfile::TempDir,
}

impl Desk {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(1_700_000_000_000);
        let options = Options {
            clock: clock.clone(),
            ..Options::default()
        };
        Self {
            store: Store::open_embedded(&folder.path().join("s"), options).await.unwrap(),
            names: Names::new("1055501"),
            clock,
            _folder: folder,
        }
    }

    async fn open(&self) -> Book {
        let claim = self.store.claim(&self.names.book_lane(), 0).await.unwrap();
        let (store, names) = (self.store.clone(), self.names.clone());
        Book::open(store, names, "1055501", &Zeroizing::new(KEY), claim.epoch, claim.seq)
            .await
            .unwrap()
    }
}

async fn write(book: &Book, name: &str, text: &str) -> Result<(), Error> {
    book.change(name, |note: &mut Note| {
        text.clone_into(&mut note.text);
        Ok(())
    })
    .await
}

fn text(book: &Book, name: &str) -> Option<String> {
    book.read::<Note>(name).map(|note| note.text)
}

#[tokio::test]
async fn documents_survive_and_are_sealed() {
    let desk = Desk::new().await;
    let book = desk.open().await;
    assert_eq!(text(&book, "a"), None);
    for (name, said) in [("a", "one"), ("b:1", "two"), ("b:2", "three"), ("a", "four")] {
        write(&book, name, said).await.unwrap();
    }
    let refused: Result<(), Error> = book
        .change("a", |note: &mut Note| {
            note.text = "half".to_owned();
            Err(Error::Unfit("for the test"))
        })
        .await;
    assert!(refused.is_err());
    assert!(book.remove("b:1").await.unwrap() && !book.remove("b:1").await.unwrap());
    for book in [book, desk.open().await] {
        assert_eq!(text(&book, "a").as_deref(), Some("four"));
        assert_eq!(book.names("b:"), ["b:2"]);
        assert_eq!(text(&book, "b:1"), None);
    }
    let stored = desk.store.get(&[desk.names.book("a"), desk.names.book_index()]).await.unwrap();
    for sealed in stored {
        assert!(!String::from_utf8_lossy(&sealed.unwrap()).contains("four"));
    }
    let census = desk.store.census(&desk.names.namespace().key("")).await.unwrap();
    assert_eq!(census.without_expiry, 0);
    assert!(census.latest_expiry.unwrap() <= TTL);
    desk.store.erase(desk.names.namespace()).await.unwrap();
    assert_eq!(desk.open().await.names(""), Vec::<String>::new());
}

#[tokio::test]
async fn who_has_lost_the_number_writes_nothing_any_more() {
    let desk = Desk::new().await;
    let first = desk.open().await;
    write(&first, "a", "mine").await.unwrap();
    let second = desk.open().await;
    assert!(matches!(write(&first, "a", "late").await, Err(Error::Displaced)));
    assert!(matches!(write(&first, "b", "late").await, Err(Error::Displaced)));
    assert_eq!(text(&first, "a").as_deref(), Some("mine"));
    write(&second, "a", "theirs").await.unwrap();
    assert_eq!(text(&desk.open().await, "a").as_deref(), Some("theirs"));
}

#[tokio::test]
async fn a_write_in_doubt_is_settled_before_the_next_one() {
    for applied in [true, false] {
        let desk = Desk::new().await;
        let book = desk.open().await;
        write(&book, "a", "sure").await.unwrap();
        {
            // The state after a commit whose answer was lost.
            let mut writer = book.writer.lock().await;
            let change = Change::Put("a".into(), Arc::from(&br#"{"text":"doubtful"}"#[..]));
            let batch = writer.prepare(&book.pages, &change).unwrap();
            if applied {
                desk.store.commit(batch.clone()).await.unwrap();
            }
            writer.leave_in_doubt(batch, change);
        }
        assert_eq!(text(&book, "a").as_deref(), Some("sure"), "not told before it is known");
        book.change("a", |note: &mut Note| {
            assert_eq!(note.text, "doubtful");
            note.text.push('!');
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
        assert_eq!(text(&desk.open().await, "a").as_deref(), Some("doubtful!"));
    }
}

#[tokio::test]
async fn what_the_store_forgot_is_written_again() {
    let desk = Desk::new().await;
    let book = desk.open().await;
    for number in 0..TOGETHER + 3 {
        write(&book, &format!("n:{number}"), "x").await.unwrap();
    }
    desk.store.erase(desk.names.namespace()).await.unwrap();
    write(&book, "after", "y").await.unwrap();
    let again = desk.open().await;
    assert_eq!(again.names("").len(), TOGETHER + 4);
    assert_eq!(text(&again, "after").as_deref(), Some("y"));
}

#[tokio::test]
async fn renewing_keeps_documents_and_not_renewing_forgets_them() {
    let desk = Desk::new().await;
    let book = desk.open().await;
    write(&book, "a", "kept").await.unwrap();
    for _ in 0..3 {
        desk.clock.advance(TTL - Duration::from_secs(60));
        book.renew().await.unwrap();
    }
    assert_eq!(text(&desk.open().await, "a").as_deref(), Some("kept"));
    desk.clock.advance(TTL + Duration::from_secs(1));
    assert_eq!(text(&desk.open().await, "a"), None);
}

#[tokio::test]
async fn bounds_hold() {
    let desk = Desk::new().await;
    let book = desk.open().await;
    for name in ["", "A", "a b", "a/b", "+15550101", &"a".repeat(65)] {
        assert!(matches!(write(&book, name, "x").await, Err(Error::Unfit(_))), "{name}");
    }
    let large = "x".repeat(MAX_DOCUMENT_BYTES - 100);
    assert!(matches!(
        write(&book, "a", &"x".repeat(MAX_DOCUMENT_BYTES)).await,
        Err(Error::Full(_))
    ));
    for number in 0..16 {
        write(&book, &format!("n:{number}"), &large).await.unwrap();
    }
    assert!(matches!(write(&book, "n:16", &large).await, Err(Error::Full(_))));
    write(&book, "n:3", "smaller").await.unwrap();
    write(&book, "n:16", &large).await.unwrap();
}

#[tokio::test]
async fn changes_of_one_document_are_one_after_another() {
    let desk = Desk::new().await;
    let book = Arc::new(desk.open().await);
    let many = (0..50).map(|_| {
        let book = Arc::clone(&book);
        tokio::spawn(async move {
            book.change("count", |count: &mut u32| {
                *count += 1;
                Ok::<_, Error>(())
            })
            .await
        })
    });
    for one in many.collect::<Vec<_>>() {
        one.await.unwrap().unwrap();
    }
    assert_eq!(book.read::<u32>("count"), Some(50));
    assert_eq!(desk.open().await.read::<u32>("count"), Some(50));
}
