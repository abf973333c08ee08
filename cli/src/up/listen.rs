//! Which addresses to listen on, and what to say when one is taken.

use std::{
    fmt::Display,
    future::Future,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    pin::Pin,
};

use anyhow::bail;

/// Where the relay listens unless told otherwise. Always the same when it can be, so that consumers find it again after a restart.
pub(super) const RELAY: u16 = 8081;
/// Where the admin port listens unless told otherwise.
pub(super) const ADMIN: u16 = 8082;

/// Fails with a message that names the flag if the address cannot be listened on. The part that listens does so a moment later.
pub(super) fn must_be_free(address: SocketAddr, flag: &str) -> anyhow::Result<()> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let free = SocketAddr::new(address.ip(), 0);
            bail!("{address} is in use by another program; choose another address with {flag}, or any free port with {flag} {free}")
        }
        Err(error) => bail!("{address} cannot be listened on: {error}; choose another address with {flag}"),
    }
}

/// The addresses to try, in order: what was asked for, or else the usual port and any free one.
pub(super) fn candidates(asked: Option<SocketAddr>, usual: u16, flag: &str) -> anyhow::Result<Vec<SocketAddr>> {
    if let Some(address) = asked {
        must_be_free(address, flag)?;
        return Ok(vec![address]);
    }
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, usual));
    Ok(if must_be_free(usual, flag).is_ok() {
        vec![usual, any]
    } else {
        vec![any]
    })
}

/// Starts on the first address that works: another program may take a port between the look and the start.
pub(super) async fn first<'a, T, E>(
    addresses: &[SocketAddr],
    mut start: impl FnMut(SocketAddr) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>,
) -> anyhow::Result<T>
where
    E: Into<anyhow::Error> + Display,
{
    let mut last = None;
    for &address in addresses {
        match start(address).await {
            Ok(started) => return Ok(started),
            Err(error) => {
                let error = error.into();
                let taken = is_address_in_use(&error);
                last = Some(error);
                if !taken {
                    break;
                }
            }
        }
    }
    Err(last.unwrap_or_else(|| anyhow::anyhow!("there is no address to listen on")))
}

fn is_address_in_use(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::AddrInUse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_address_names_the_flag() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = taken.local_addr().unwrap();
        let error = must_be_free(address, "--listen").unwrap_err().to_string();
        assert!(
            error.contains(&address.to_string()) && error.contains("--listen 127.0.0.1:0"),
            "{error}"
        );
        drop(taken);
        assert!(must_be_free(address, "--listen").is_ok());
    }

    #[test]
    fn the_usual_port_gives_way_to_a_free_one() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_eq!(candidates(None, port, "--x").unwrap(), [SocketAddr::from((Ipv4Addr::LOCALHOST, 0))]);
        assert!(candidates(Some(taken.local_addr().unwrap()), 1, "--x").is_err());
    }

    #[tokio::test]
    async fn only_a_taken_address_leads_to_the_next() {
        let addresses: Vec<SocketAddr> = [1, 2].map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))).into();
        let start = |kind: io::ErrorKind| {
            move |address: SocketAddr| -> Pin<Box<dyn Future<Output = Result<u16, io::Error>> + Send>> {
                Box::pin(async move {
                    if address.port() == 1 {
                        Err(io::Error::from(kind))
                    } else {
                        Ok(address.port())
                    }
                })
            }
        };
        assert_eq!(first(&addresses, start(io::ErrorKind::AddrInUse)).await.unwrap(), 2);
        assert!(first(&addresses, start(io::ErrorKind::PermissionDenied)).await.is_err());
    }
}
