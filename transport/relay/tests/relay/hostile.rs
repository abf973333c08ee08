//! Clients that break the protocol hurt only themselves.

use bytes::{Buf as _, BufMut as _, Bytes};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_stream::wrappers::ReceiverStream;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use waxseal_protocol::proto::relay_client::RelayClient;
use waxseal_protocol::proto::{Ack, Envelope, Hello, Submit, ToRelay, to_relay::Frame};

use crate::support::{Person, TestRelay, numbered, soon};

pub(crate) async fn channel(relay: &TestRelay) -> Channel {
    Endpoint::from_shared(format!("http://{}", relay.running().addr()))
        .unwrap()
        .connect()
        .await
        .unwrap()
}

pub(crate) fn authorized<T>(person: &Person, message: T) -> Request<T> {
    use std::fmt::Write as _;
    // Base64 by hand: the client's own code is not under test here.
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("Bearer ");
    for chunk in person.account.credential.reveal().chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let digit = if i <= chunk.len() {
                char::from(ALPHABET[(bits >> (18 - 6 * i)) as usize & 63])
            } else {
                '='
            };
            text.write_char(digit).unwrap();
        }
    }
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("waxseal-number", person.account.number.parse().unwrap());
    request.metadata_mut().insert("authorization", text.parse().unwrap());
    request
}

/// Sends these frames and returns how the stream ended.
async fn send(relay: &TestRelay, person: &Person, frames: Vec<ToRelay>) -> Option<Status> {
    let (sender, receiver) = tokio::sync::mpsc::channel(16);
    for frame in frames {
        sender.try_send(frame).unwrap();
    }
    let mut client = RelayClient::new(channel(relay).await).max_encoding_message_size(usize::MAX);
    let mut stream = match soon(client.connect(authorized(person, ReceiverStream::new(receiver)))).await {
        Ok(stream) => stream.into_inner(),
        Err(status) => return Some(status),
    };
    loop {
        match soon(stream.message()).await {
            Ok(Some(_)) => {}
            Ok(None) => return None,
            Err(status) => return Some(status),
        }
    }
}

fn frame(frame: Frame) -> ToRelay {
    ToRelay { frame: Some(frame) }
}

fn hello() -> ToRelay {
    frame(Frame::Hello(Hello::default()))
}

#[tokio::test]
async fn frames_out_of_place_end_the_stream_and_nothing_else() {
    let relay = TestRelay::start().await;
    let (ann, bob) = (relay.consumer("+15550001").await, relay.consumer("+15550002").await);
    let mut bystander = bob.connect(0).await;
    let small = || Envelope {
        id: vec![1; 16].into(),
        recipient: "+15550002".into(),
        body: vec![1].into(),
        ..Envelope::default()
    };
    let cases: Vec<(&str, Vec<ToRelay>)> = vec![
        ("no hello first", vec![frame(Frame::Submit(Submit { envelopes: vec![small()] }))]),
        ("nothing first", vec![ToRelay { frame: None }]),
        ("two hellos", vec![hello(), hello()]),
        ("nothing later", vec![hello(), ToRelay { frame: None }]),
        (
            "too many envelopes",
            vec![
                hello(),
                frame(Frame::Submit(Submit {
                    envelopes: vec![small(); 4_097],
                })),
            ],
        ),
        (
            "too many sequences",
            vec![hello(), frame(Frame::Ack(Ack { sequences: vec![1; 4_097] }))],
        ),
        (
            "too long a frame",
            vec![
                hello(),
                frame(Frame::Submit(Submit {
                    envelopes: vec![Envelope {
                        body: vec![1; 1_100_000].into(),
                        ..small()
                    }],
                })),
            ],
        ),
    ];
    for (name, frames) in cases {
        let status = send(&relay, &ann, frames).await;
        assert_eq!(status.map(|status| status.code()), Some(Code::InvalidArgument), "{name}");
    }
    // Acknowledging what never was, or nothing, is allowed and does nothing.
    let mut odd = ann.connect(0).await;
    odd.link.sender.ack(vec![0, 1, u64::MAX]).await.unwrap();
    odd.submit_all_accepted(numbered("+15550002", 0..3)).await;
    assert_eq!(bystander.receive_bodies(3).await, ["0", "1", "2"]);
}

/// Passes bytes as they are.
#[derive(Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, input: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(input.copy_to_bytes(input.remaining())))
    }
}

/// Calls `method` with garbage, after the good messages before it, and returns how that ended.
async fn garbage(relay: &TestRelay, person: &Person, method: &'static str, messages: Vec<Bytes>) -> Option<Code> {
    let (sender, receiver) = tokio::sync::mpsc::channel(16);
    for message in messages {
        sender.try_send(message).unwrap();
    }
    drop(sender);
    let mut grpc = tonic::client::Grpc::new(channel(relay).await);
    grpc.ready().await.unwrap();
    let request = authorized(person, ReceiverStream::new(receiver));
    let called = soon(grpc.streaming(request, PathAndQuery::from_static(method), Raw)).await;
    let mut stream = match called {
        Ok(stream) => stream.into_inner(),
        Err(status) => return Some(status.code()),
    };
    loop {
        match soon(stream.message()).await {
            Ok(Some(_)) => {}
            Ok(None) => return None,
            Err(status) => return Some(status.code()),
        }
    }
}

#[tokio::test]
async fn bytes_that_are_no_message_are_refused() {
    let relay = TestRelay::start().await;
    let ann = relay.consumer("+15550001").await;
    let hello = Bytes::from_static(&[0x0a, 0x02, 0x08, 0x00]);
    for noise in [
        &[0xff; 64][..],
        &[0x12, 0xff, 0xff, 0xff, 0xff, 0x0f],
        &[0x0a, 0x80],
        &[0x0a, 0x05, 0x01],
    ] {
        let noise = Bytes::from_static(Box::leak(noise.to_vec().into_boxed_slice()));
        let stream = "/waxseal.transport.v1.Relay/Connect";
        assert_eq!(
            garbage(&relay, &ann, stream, vec![noise.clone()]).await,
            Some(Code::InvalidArgument),
            "first"
        );
        assert_eq!(
            garbage(&relay, &ann, stream, vec![hello.clone(), noise.clone()]).await,
            Some(Code::InvalidArgument),
            "later"
        );
        let stream = "/waxseal.transport.v1.Blobs/Put";
        assert_eq!(
            garbage(&relay, &ann, stream, vec![noise.clone()]).await,
            Some(Code::InvalidArgument),
            "blob"
        );
        for method in [
            "Directory/Register",
            "Directory/Deregister",
            "Directory/ChangePin",
            "Directory/PublishKeys",
            "Directory/FetchBundle",
            "Blobs/Get",
        ] {
            let method = Box::leak(format!("/waxseal.transport.v1.{method}").into_boxed_str());
            assert_eq!(
                garbage(&relay, &ann, method, vec![noise.clone()]).await,
                Some(Code::Internal),
                "{method}"
            );
        }
    }
    ann.connect(0).await.submit_all_accepted(numbered("+15550001", 0..3)).await;
}

#[tokio::test]
async fn calls_without_the_credential_are_refused() {
    let relay = TestRelay::start().await;
    let ann = relay.consumer("+15550001").await;
    let connect = async |change: &dyn Fn(&mut Request<ReceiverStream<ToRelay>>)| {
        let (sender, receiver) = tokio::sync::mpsc::channel(16);
        sender.try_send(hello()).unwrap();
        let mut request = authorized(&ann, ReceiverStream::new(receiver));
        change(&mut request);
        let first = async {
            RelayClient::new(channel(&relay).await)
                .connect(request)
                .await?
                .into_inner()
                .message()
                .await
        };
        soon(first).await.err().map(|status| status.code())
    };
    assert_eq!(connect(&|_| {}).await, None);
    let refused = Some(Code::Unauthenticated);
    assert_eq!(
        connect(&|request| drop(request.metadata_mut().remove("authorization"))).await,
        refused
    );
    assert_eq!(
        connect(&|request| drop(request.metadata_mut().remove("waxseal-number"))).await,
        refused
    );
    assert_eq!(
        connect(&|request| drop(request.metadata_mut().insert("waxseal-number", "+15550002".parse().unwrap()))).await,
        refused
    );
    assert_eq!(
        connect(&|request| drop(request.metadata_mut().insert("authorization", "Bearer AAAA".parse().unwrap()))).await,
        refused
    );
    let long: &'static str = Box::leak("x".repeat(20_000).into_boxed_str());
    assert!(
        connect(&|request| drop(request.metadata_mut().insert("x-long", long.parse().unwrap())))
            .await
            .is_some()
    );
}

#[tokio::test]
async fn a_socket_that_talks_nonsense_is_dropped() {
    let relay = TestRelay::start().await;
    let ann = relay.consumer("+15550001").await;
    for noise in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0; 4_096],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        let mut socket = tokio::net::TcpStream::connect(relay.running().addr()).await.unwrap();
        socket.write_all(noise).await.unwrap();
        let mut answer = Vec::new();
        // Whether it is closed or reset is all the same.
        let _ = soon(socket.read_to_end(&mut answer)).await;
    }
    ann.connect(0).await.submit_all_accepted(numbered("+15550001", 0..3)).await;
}
