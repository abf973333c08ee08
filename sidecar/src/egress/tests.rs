use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;

fn strict() -> Egress {
    Egress::default()
}

fn relaxed() -> Egress {
    Egress {
        loopback: true,
        ports: Vec::new(),
    }
}

#[test]
fn urls_are_looked_at_before_anything_is_resolved() {
    for (url, refused) in [
        ("https://files.example/a.jpg", None),
        ("https://files.example:443/a.jpg", None),
        ("https://files.example:8443/", None),
        ("HTTPS://FILES.EXAMPLE/", None),
        ("https://1.1.1.1/", None),
        ("https://[2606:4700:4700::1111]/", None),
        ("http://files.example/", Some(Refused::Scheme)),
        ("ftp://files.example/", Some(Refused::Scheme)),
        ("file:///etc/passwd", Some(Refused::Scheme)),
        ("data:text/plain,x", Some(Refused::Scheme)),
        ("//files.example/", Some(Refused::Malformed)),
        ("files.example", Some(Refused::Malformed)),
        ("https://", Some(Refused::Malformed)),
        ("https://user@files.example/", Some(Refused::Credentials)),
        ("https://user:pw@files.example/", Some(Refused::Credentials)),
        ("https://files.example@127.0.0.1/", Some(Refused::Credentials)),
        ("https://files.example:22/", Some(Refused::Port)),
        ("https://files.example:80/", Some(Refused::Port)),
        ("https://files.example:6379/", Some(Refused::Port)),
        // Every way of writing an address.
        ("https://127.0.0.1/", Some(Refused::Private)),
        ("https://127.1/", Some(Refused::Private)),
        ("https://2130706433/", Some(Refused::Private)),
        ("https://0x7f000001/", Some(Refused::Private)),
        ("https://0177.0.0.1/", Some(Refused::Private)),
        ("https://0x7f.0.0.1/", Some(Refused::Private)),
        ("https://127.0.0.1./", Some(Refused::Private)),
        ("https://１２７.0.0.1/", Some(Refused::Private)),
        ("https://%31%32%37.0.0.1/", Some(Refused::Private)),
        ("https://0/", Some(Refused::Private)),
        ("https://169.254.169.254/latest/meta-data/", Some(Refused::Private)),
        ("https://2852039166/", Some(Refused::Private)),
        ("https://[::1]/", Some(Refused::Private)),
        ("https://[::]/", Some(Refused::Private)),
        ("https://[::ffff:127.0.0.1]/", Some(Refused::Private)),
        ("https://[::ffff:7f00:1]/", Some(Refused::Private)),
        ("https://[64:ff9b::7f00:1]/", Some(Refused::Private)),
        ("https://[2002:7f00:1::]/", Some(Refused::Private)),
        ("https://[fd00:ec2::254]/", Some(Refused::Private)),
        ("https://10.0.0.1/", Some(Refused::Private)),
        ("https://192.168.0.1/", Some(Refused::Private)),
    ] {
        let rules = Egress {
            loopback: false,
            ports: vec![8443],
        };
        assert_eq!(check(url, &rules).err(), refused, "{url}");
    }
    assert_eq!(
        check(&format!("https://a.example/{}", "a".repeat(2048)), &strict()).err(),
        Some(Refused::Malformed)
    );
    assert_eq!(
        check("https://a.example/b#secret", &strict()).unwrap().as_str(),
        "https://a.example/b"
    );
}

#[test]
fn development_may_go_to_this_machine_and_no_further() {
    for url in [
        "http://127.0.0.1:8080/a.jpg",
        "http://[::1]:8080/",
        "https://[::ffff:127.0.0.1]:6379/",
        "http://localhost/",
    ] {
        assert!(check(url, &relaxed()).is_ok(), "{url}");
    }
    for url in [
        "http://169.254.169.254/latest",
        "http://10.0.0.1:8080/",
        "http://0.0.0.0/",
        "http://[fd00::1]/",
    ] {
        assert_eq!(check(url, &relaxed()).err(), Some(Refused::Private), "{url}");
    }
    assert_eq!(check("file:///etc/passwd", &relaxed()).err(), Some(Refused::Scheme));
    assert_eq!(check("http://a@localhost/", &relaxed()).err(), Some(Refused::Credentials));
}

#[test]
fn who_answers_is_looked_at_again() {
    let peer = |text: &str| Some(text.parse().unwrap());
    assert_eq!(check_peer(peer("1.1.1.1:443"), &strict()), Ok(()));
    assert_eq!(check_peer(peer("127.0.0.1:443"), &strict()), Err(Refused::Private));
    assert_eq!(check_peer(None, &strict()), Err(Refused::Private));
    assert_eq!(check_peer(peer("127.0.0.1:443"), &relaxed()), Ok(()));
    assert_eq!(check_peer(peer("169.254.169.254:80"), &relaxed()), Err(Refused::Private));
}

fn names(of: &'static [&'static str]) -> Lookup {
    Arc::new(move |_| Box::pin(async move { Ok(of.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 0)).collect()) }))
}

#[tokio::test]
async fn only_public_addresses_of_a_name_are_given_out() {
    let resolve = |of| Resolver::with(names(of), &strict());
    let mixed = resolve(&["127.0.0.1", "1.1.1.1", "::1"]);
    assert_eq!(
        mixed.resolve("a.example".to_owned()).await.unwrap(),
        [SocketAddr::from(([1, 1, 1, 1], 0))]
    );
    let private = resolve(&["10.0.0.1", "fe80::1"]);
    assert_eq!(private.resolve("a.example".to_owned()).await, Err(Refused::Private));
    assert_eq!(resolve(&[]).resolve("a.example".to_owned()).await, Err(Refused::Unresolved));
}

/// A server that counts who connects and answers everything with 200.
async fn server() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream
                    .write_all(b"HTTP/1.1 302 Found\r\nlocation: /there\r\ncontent-length: 0\r\n\r\n")
                    .await;
            });
        }
    });
    (address, connections)
}

/// The HTTP client does not ask a resolver about an address in a URL: this is what `check` is for.
#[tokio::test]
async fn the_client_connects_to_nothing_that_was_refused() {
    let (address, connections) = server().await;
    // A name that leads home.
    let home = client(Resolver::with(names(&["127.0.0.1"]), &strict())).build().unwrap();
    let error = home
        .get(format!("http://evil.example:{}/", address.port()))
        .send()
        .await
        .unwrap_err();
    assert_eq!(refused(&error), Some(Refused::Private));
    assert_eq!(connections.load(Ordering::SeqCst), 0, "nobody was connected to");
    // An address goes past the resolver ...
    let answer = home.get(format!("http://{address}/")).send().await.unwrap();
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    // ... so the two checks around it are what holds.
    assert!(check(&format!("https://{address}/"), &strict()).is_err());
    assert_eq!(check_peer(answer.remote_addr(), &strict()), Err(Refused::Private));
    // Where private addresses are allowed, names lead there; redirects are not followed.
    let open = client(Resolver::with(names(&["127.0.0.1"]), &relaxed())).build().unwrap();
    let answer = open.get(format!("http://dev.example:{}/", address.port())).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), connections.load(Ordering::SeqCst)), (302, 2));
}

#[test]
fn names_with_nothing_between_dots_are_none() {
    let rules = Egress {
        loopback: false,
        ports: Vec::new(),
    };
    for host in [".", "..", "127.0.0.1..", "a..example", ".example"] {
        assert_eq!(check(&format!("https://{host}/"), &rules), Err(Refused::Malformed), "{host}");
    }
    assert!(check("https://example.com./", &rules).is_ok());
}
