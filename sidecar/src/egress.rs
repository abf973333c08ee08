//! Addresses that others name: links to files in messages, webhooks set through the API. Whoever may name an address must not make this
//! process reach what only this process can reach: the cluster's inside, the machine's metadata, its own ports.
//!
//! Three walls. [`check`] looks at the URL: scheme, port, no user name, and an address in it, in whatever way it is written. [`Resolver`]
//! looks names up itself and lets the HTTP client connect only to addresses that passed; the client never asks it about an address in the
//! URL, which is why `check` does that. [`check_peer`] looks once more, at who has answered. The client ([`client`]) follows no redirect and
//! uses no proxy.
//!
//! May touch: the resolver of the system. Must not: log an address or repeat it in an error.

mod address;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures_util::future::BoxFuture;
use reqwest::{
    ClientBuilder, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};

pub use self::address::is_public;
use crate::config::Egress;

const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
const MOST_URL_BYTES: usize = 2048;

/// Why an address is not gone to. Does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no URL, or too long.
    #[error("it must be an absolute URL of at most 2048 bytes")]
    Malformed,
    /// It begins with something else than `https://`.
    #[error("it must begin with https://")]
    Scheme,
    /// There is a user name or a password in it.
    #[error("it must not contain a user name or password")]
    Credentials,
    /// Its port is not allowed.
    #[error("its port must be 443, or one that the configuration allows")]
    Port,
    /// It leads into a private network, to this machine, or to addresses that nobody can have.
    #[error("it must lead to a public address")]
    Private,
    /// Its name is unknown.
    #[error("its host name cannot be resolved")]
    Unresolved,
}

/// Reads a URL and looks at what can be seen without resolving its name.
///
/// # Errors
/// [`Refused`].
pub fn check(text: &str, rules: &Egress) -> Result<Url, Refused> {
    if text.len() > MOST_URL_BYTES {
        return Err(Refused::Malformed);
    }
    // Reads every way in which browsers read an address: decimal, octal, with parts left out.
    let mut url = Url::parse(text).map_err(|_| Refused::Malformed)?;
    match url.scheme() {
        "https" => {}
        "http" if rules.loopback => {}
        _ => return Err(Refused::Scheme),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refused::Credentials);
    }
    let port = url.port_or_known_default().ok_or(Refused::Port)?;
    if !(rules.loopback || port == 443 || rules.ports.contains(&port)) {
        return Err(Refused::Port);
    }
    let host = url.host_str().ok_or(Refused::Malformed)?;
    // `.` and `127.0.0.1..` are names to the reader of URLs, and who knows what to a resolver.
    if host.strip_suffix('.').unwrap_or(host).split('.').any(str::is_empty) {
        return Err(Refused::Malformed);
    }
    if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
        allow(address, rules)?;
    }
    url.set_fragment(None);
    Ok(url)
}

/// Whether an address may be connected to.
fn allow(address: IpAddr, rules: &Egress) -> Result<(), Refused> {
    if is_public(address) || (rules.loopback && is_loopback(address)) {
        Ok(())
    } else {
        Err(Refused::Private)
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Looks at who has answered, before anything of the answer is used.
///
/// # Errors
/// [`Refused::Private`].
pub fn check_peer(peer: Option<SocketAddr>, rules: &Egress) -> Result<(), Refused> {
    match peer {
        Some(peer) => allow(peer.ip(), rules),
        None if rules.loopback => Ok(()),
        None => Err(Refused::Private),
    }
}

/// How names become addresses.
pub type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, std::io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// Resolves names, and gives out only addresses that may be connected to.
#[derive(Clone)]
pub struct Resolver {
    lookup: Lookup,
    rules: Egress,
}

impl Resolver {
    /// With the resolver of the system.
    #[must_use]
    pub fn system(rules: &Egress) -> Self {
        let lookup: Lookup = Arc::new(|name| {
            Box::pin(async move {
                let found = tokio::net::lookup_host((name, 0)).await?;
                Ok(found.collect())
            })
        });
        Self::with(lookup, rules)
    }

    /// With another.
    #[must_use]
    pub fn with(lookup: Lookup, rules: &Egress) -> Self {
        Self {
            lookup,
            rules: rules.clone(),
        }
    }

    /// The addresses of a name that may be connected to: at least one.
    ///
    /// # Errors
    /// [`Refused::Unresolved`], [`Refused::Private`].
    pub async fn resolve(&self, name: String) -> Result<Vec<SocketAddr>, Refused> {
        let found = tokio::time::timeout(RESOLVE_TIMEOUT, (self.lookup)(name)).await;
        let found = found
            .ok()
            .and_then(Result::ok)
            .filter(|found| !found.is_empty())
            .ok_or(Refused::Unresolved)?;
        let allowed: Vec<_> = found
            .into_iter()
            .filter(|address| allow(address.ip(), &self.rules).is_ok())
            .collect();
        match allowed.is_empty() {
            false => Ok(allowed),
            true => Err(Refused::Private),
        }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolver, name) = (self.clone(), name.as_str().to_owned());
        Box::pin(async move {
            let found = Self::resolve(&resolver, name).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// An HTTP client behind these walls, but for [`check`] and [`check_peer`], which are for each request.
pub fn client(resolver: Resolver) -> ClientBuilder {
    // The TLS library needs one provider for the process; whoever installed one first was as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(concat!("waxseal/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .http1_only()
        .tls_sni(true)
        .dns_resolver(Arc::new(resolver))
}

/// Why a request through [`client`] was refused before it was sent; `None` when it failed for another reason.
#[must_use]
pub fn refused(error: &reqwest::Error) -> Option<Refused> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref::<Refused>() {
            return Some(*refused);
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests;
