//! Calls to the relay. One `Client` is three HTTP/2 connections, each made when first needed and made anew when it breaks: one for message
//! streams, one for blobs and one for everything else, so that fetching a bundle does not wait behind megabytes of envelopes or files.

use std::time::Duration;

use bytes::Bytes;
use rand::Rng as _;
use tokio_stream::Stream;
use tonic::transport::{Channel, Endpoint};

use crate::proto::blobs_client::BlobsClient;
use crate::proto::directory_client::DirectoryClient;
use crate::proto::relay_client::RelayClient;
use crate::proto::reports_client::ReportsClient;
use crate::proto::{
    Bundle, ChangePinRequest, CountKeysRequest, DeregisterRequest, FetchBundleRequest, KeyCounts, PublishKeysRequest, RegisterRequest,
    ReportSpamRequest, Role, SpamReason,
};
use crate::{Account, Error, Link, Parts, Tls, blob, link, wire};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
// Together: a relay that died without closing the connection is noticed within 20 seconds.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
// The default of 64 KiB would allow one frame per round trip.
const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;
// What of a file may lie in memory because nobody has taken it yet.
const BLOB_STREAM_WINDOW_BYTES: u32 = 512 * 1024;
const BLOB_CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;

/// A handle to a relay; clones share the connections.
#[derive(Clone)]
pub struct Client {
    calls: Channel,
    streams: Channel,
    blobs: Channel,
    terminator: String,
}

impl Client {
    /// A client of the relay at `url` (`http://host:port`, or `https://host:port` with a certificate of a public CA). Connects when first
    /// used; must be called inside a tokio runtime.
    pub fn new(url: &str) -> Result<Self, Error> {
        Self::with_tls(url, &Tls::default())
    }

    /// The same, knowing the relay and showing itself as `tls` says where the address begins with `https`.
    pub fn with_tls(url: &str, tls: &Tls) -> Result<Self, Error> {
        let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_| Error::Url)?;
        let endpoint = match (endpoint.uri().host(), endpoint.uri().scheme_str()) {
            (Some(_), Some("http")) => endpoint,
            (Some(_), Some("https")) => {
                let unusable = |_| Error::Tls("a certificate or the key cannot be read, or they do not belong together");
                endpoint.tls_config(tls.config()?).map_err(unusable)?
            }
            _ => return Err(Error::Url),
        };
        let endpoint = endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .http2_max_header_list_size(wire::MAX_METADATA_BYTES);
        let terminator = format!("{:032x}", rand::rng().random::<u128>());
        Ok(Self {
            calls: endpoint.connect_lazy(),
            streams: endpoint.connect_lazy(),
            blobs: endpoint
                .initial_stream_window_size(BLOB_STREAM_WINDOW_BYTES)
                .initial_connection_window_size(BLOB_CONNECTION_WINDOW_BYTES)
                .connect_lazy(),
            terminator,
        })
    }

    /// Registers the account's number with the account's credential, or renews its registration. Returns whether another identity key or
    /// credential was registered before. Safe to repeat.
    pub async fn register(
        &self,
        account: &Account,
        role: Role,
        pin: Option<&str>,
        identity_key: &[u8],
        registration_id: u32,
    ) -> Result<bool, Error> {
        let request = tonic::Request::new(RegisterRequest {
            number: account.number.clone(),
            role: role.into(),
            credential: account.credential.reveal().to_vec().into(),
            pin: pin.unwrap_or_default().to_owned(),
            identity_key: identity_key.to_vec().into(),
            registration_id,
        });
        let answer = in_time(self.directory().register(request)).await?;
        Ok(answer.into_inner().replaced)
    }

    /// Makes the relay forget the number: its keys, its queue, its credential.
    pub async fn deregister(&self, account: &Account, pin: Option<&str>) -> Result<(), Error> {
        let request = account.request(DeregisterRequest {
            pin: pin.unwrap_or_default().to_owned(),
        })?;
        in_time(self.directory().deregister(request)).await?;
        Ok(())
    }

    /// Replaces the account's PIN (six digits), or sets its first one. The credential is the proof. Safe to repeat.
    ///
    /// From here on registering wants the new PIN: [`register`](Self::register) with another one is refused and changes nothing.
    pub async fn change_pin(&self, account: &Account, pin: &str) -> Result<(), Error> {
        let request = account.request(ChangePinRequest { pin: pin.to_owned() })?;
        in_time(self.directory().change_pin(request)).await?;
        Ok(())
    }

    /// Publishes pre-keys. Safe to repeat: a one-time key that was already handed out does not come back.
    pub async fn publish_keys(&self, account: &Account, keys: PublishKeysRequest) -> Result<KeyCounts, Error> {
        let request = account.request(keys)?;
        Ok(in_time(self.directory().publish_keys(request)).await?.into_inner())
    }

    /// How many one-time pre-keys the relay still has of this account.
    pub async fn count_keys(&self, account: &Account) -> Result<KeyCounts, Error> {
        let request = account.request(CountKeysRequest {})?;
        Ok(in_time(self.directory().count_keys(request)).await?.into_inner())
    }

    /// Fetches a pre-key bundle of `number`. Costs that number one-time keys: ask only when a session is needed.
    pub async fn fetch_bundle(&self, account: &Account, number: &str) -> Result<Bundle, Error> {
        let request = account.request(FetchBundleRequest { number: number.to_owned() })?;
        Ok(in_time(self.directory().fetch_bundle(request)).await?.into_inner())
    }

    /// Opens the message stream; for a business number in the name of the terminator with `epoch`, for a consumer with epoch 0.
    ///
    /// A business number's epoch must be above every one the relay has seen; only the client that connected with the highest epoch may come
    /// back with the same one after a broken connection.
    pub async fn connect(&self, account: &Account, epoch: u64) -> Result<Link, Error> {
        link::open(self.relay(), account, &self.terminator, epoch).await
    }

    /// Stores a blob of `size_bytes` bytes under `id` (16 random bytes: whoever knows them may read it) for `ttl` (zero, or above the relay's
    /// cap: the cap). Durable when this returns; returns whether the relay had it already and needed no bytes. Safe to repeat.
    ///
    /// Takes from `data` only as fast as the relay does; parts of any size. Content that ends short or goes on beyond `size_bytes` is
    /// `Error::BlobSize` and leaves nothing behind, and so does dropping the future. How long `data` itself may take is for the caller to
    /// bound; the relay gives up after half a minute without a byte.
    pub async fn put_blob(
        &self,
        account: &Account,
        id: &[u8; 16],
        size_bytes: u64,
        ttl: Duration,
        data: impl Stream<Item = Bytes>,
    ) -> Result<bool, Error> {
        blob::put(self.blobs(), account, id, size_bytes, ttl, data).await
    }

    /// Reads a blob from `offset` on, at most `length` bytes of it (0: to its end). The stream ends after an error, and gives one when the
    /// relay sends nothing for half a minute or not everything.
    pub async fn get_blob(&self, account: &Account, id: &[u8; 16], offset: u64, length: u64) -> Result<Parts, Error> {
        blob::get(self.blobs(), account, id, offset, length).await
    }

    /// Reports the business `number` as a sender of spam; returns whether it counts, which it does once per day.
    pub async fn report_spam(&self, account: &Account, number: &str, reason: SpamReason) -> Result<bool, Error> {
        let request = account.request(ReportSpamRequest {
            number: number.to_owned(),
            reason: reason.into(),
        })?;
        let mut reports = ReportsClient::new(self.calls.clone());
        Ok(in_time(reports.report_spam(request)).await?.into_inner().counted)
    }

    fn blobs(&self) -> BlobsClient<Channel> {
        BlobsClient::new(self.blobs.clone()).max_decoding_message_size(wire::MAX_PART_FRAME_BYTES)
    }

    fn directory(&self) -> DirectoryClient<Channel> {
        DirectoryClient::new(self.calls.clone()).max_encoding_message_size(wire::MAX_DIRECTORY_BYTES)
    }

    fn relay(&self) -> RelayClient<Channel> {
        RelayClient::new(self.streams.clone())
            .max_decoding_message_size(wire::MAX_FRAME_BYTES)
            .max_encoding_message_size(wire::MAX_FRAME_BYTES)
    }
}

/// Waits for a call, but not for ever.
pub(crate) async fn in_time<T>(call: impl Future<Output = Result<T, tonic::Status>>) -> Result<T, Error> {
    match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(status)) => Err(status.into()),
        Err(_) => Err(Error::Unavailable),
    }
}
