//! Calls to the relay. One `Client` is two HTTP/2 connections, each made when first needed and made anew when it breaks: one for message
//! streams and one for everything else, so that fetching a bundle does not wait behind megabytes of envelopes.

use std::time::Duration;

use rand::Rng as _;
use tonic::transport::{Channel, Endpoint};

use crate::proto::directory_client::DirectoryClient;
use crate::proto::relay_client::RelayClient;
use crate::proto::{Bundle, CountKeysRequest, DeregisterRequest, FetchBundleRequest, KeyCounts, PublishKeysRequest, RegisterRequest, Role};
use crate::{Account, Error, Link, Tls, link, wire};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
// Together: a relay that died without closing the connection is noticed within 20 seconds.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
// The default of 64 KiB would allow one frame per round trip.
const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;

/// A handle to a relay; clones share the connections.
#[derive(Clone)]
pub struct Client {
    calls: Channel,
    streams: Channel,
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
