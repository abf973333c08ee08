//! Where a URL leads: host and port, and whether that is in the cluster.

use http::Uri;

/// Host and port of a URL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Endpoint {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// Where a host is, as far as its name tells.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// A Service of the namespace that the caller is in.
    SameNamespace,
    /// A Service of this namespace.
    Namespace(String),
    /// A Service of this namespace, or a host with a short name of its own: `shop.example` can be both.
    Perhaps(String),
    /// Anywhere.
    Anywhere,
}

impl Endpoint {
    /// Reads a URL with one of the schemes that are in use here, without credentials.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let default = match uri.scheme_str()? {
            "redis" | "rediss" => 6379,
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        let authority = uri.authority()?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return None;
        }
        // `port_u16` is `None` for a port that is not one, too.
        let port = match authority.port() {
            None if authority.as_str() == authority.host() => default,
            None => return None,
            Some(port) => port.as_u16(),
        };
        (port != 0).then(|| Self {
            host: authority.host().trim_end_matches('.').to_ascii_lowercase(),
            port,
        })
    }

    pub(crate) fn place(&self) -> Place {
        let labels: Vec<&str> = self.host.split('.').collect();
        match labels.as_slice() {
            _ if self.host.starts_with('[') || self.host.parse::<std::net::Ipv4Addr>().is_ok() => Place::Anywhere,
            [_] => Place::SameNamespace,
            [_, namespace] => Place::Perhaps((*namespace).to_owned()),
            [.., namespace, "svc"] | [.., namespace, "svc", "cluster", "local"] => Place::Namespace((*namespace).to_owned()),
            // The cluster may have a domain of its own: NAME.NAMESPACE.svc.DOMAIN.
            [_, namespace, "svc", ..] => Place::Namespace((*namespace).to_owned()),
            _ => Place::Anywhere,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str) -> Option<(String, u16)> {
        Endpoint::parse(url).map(|endpoint| (endpoint.host, endpoint.port))
    }

    #[test]
    fn host_and_port_are_read() {
        assert_eq!(endpoint("redis://cache.data.svc"), Some(("cache.data.svc".to_owned(), 6379)));
        assert_eq!(
            endpoint("rediss://Cache.example.com:7000/1"),
            Some(("cache.example.com".to_owned(), 7000))
        );
        assert_eq!(endpoint("https://relay.example.com./"), Some(("relay.example.com".to_owned(), 443)));
        assert_eq!(endpoint("http://[fd00::1]:8080/hook?a=b"), Some(("[fd00::1]".to_owned(), 8080)));
    }

    #[test]
    fn what_leads_nowhere_is_refused() {
        for url in [
            "",
            "https://",
            "https:///x",
            "ftp://a",
            "a",
            "http://user:pw@a/",
            "http://a:0/",
            "http://a:99999/",
            "http://a:/",
            "http://a b/",
        ] {
            assert_eq!(endpoint(url), None, "{url}");
        }
    }

    #[test]
    fn places_are_told_apart() {
        let place = |host: &str| {
            Endpoint {
                host: host.to_owned(),
                port: 1,
            }
            .place()
        };
        assert_eq!(place("hook"), Place::SameNamespace);
        assert_eq!(place("hook.shop"), Place::Perhaps("shop".to_owned()));
        assert_eq!(place("hook.shop.svc"), Place::Namespace("shop".to_owned()));
        assert_eq!(place("redis-0.redis.data.svc"), Place::Namespace("data".to_owned()));
        assert_eq!(place("hook.shop.svc.cluster.local"), Place::Namespace("shop".to_owned()));
        assert_eq!(place("hook.shop.svc.corp.example"), Place::Namespace("shop".to_owned()));
        assert_eq!(place("hook.example.com"), Place::Anywhere);
        assert_eq!(place("10.0.0.1"), Place::Anywhere);
        assert_eq!(place("[fd00::1]"), Place::Anywhere);
    }
}
