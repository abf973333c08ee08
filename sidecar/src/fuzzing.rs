//! What strangers may send, as entry points for a fuzzer.
//!
//! Purpose: one function for each parser that reads what a client, a consumer or a third party wrote. Each takes any bytes, says whether they
//! were taken for what the parser reads, and panics when a promise is broken. `sidecar/tests/fuzzing.rs` runs them over random bytes and over
//! changed samples in every test run; `fuzz/` hands them to a fuzzer. No part of the program calls them.
//!
//! May touch: its own values. Must not: do IO, or be used for anything else.

mod content;
mod envelope;
mod webhook;

use std::net::{IpAddr, Ipv4Addr};

pub use self::{
    content::{payload, stream},
    envelope::envelope,
    webhook::webhook,
};
pub use crate::api::fuzzing::{arguments, fields, message, multipart, path, range};
use crate::{config::Egress, egress, file::kind};

/// An address that somebody names: a file's link, a webhook. `check` lets none through that is written as an address of a private network or
/// of this machine, in any notation.
#[must_use]
pub fn url(bytes: &[u8]) -> bool {
    let rules = Egress {
        loopback: false,
        ports: vec![8443],
    };
    if let Some(bits) = bytes.first_chunk() {
        let address = Ipv4Addr::from(*bits);
        for written in notations(address) {
            let taken = egress::check(&format!("https://{written}/"), &rules);
            assert!(taken.is_err() || !is_inside(address.into()), "an inner address was let through");
        }
    }
    let Ok(text) = str::from_utf8(bytes) else { return false };
    let Ok(url) = egress::check(text, &rules) else { return false };
    assert!(url.scheme() == "https" && matches!(url.port_or_known_default(), Some(443 | 8443)));
    assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
    let host = url.host_str().unwrap_or_default();
    assert!(!host.is_empty());
    if let Ok(address) = host.trim_matches(['[', ']']).parse() {
        assert!(!is_inside(address), "an inner address was let through");
    } else {
        // What the reader of URLs took for a name must not be an address to anybody else.
        let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
        assert!(url.domain().is_some() && !last.bytes().all(|byte| byte.is_ascii_digit()));
    }
    let again = egress::check(url.as_str(), &rules);
    assert!(
        url.as_str().len() > 2048 || again.as_ref() == Ok(&url),
        "read once more it is another"
    );
    true
}

/// The ways in which browsers and libraries read one address.
fn notations(address: Ipv4Addr) -> [String; 12] {
    let (bits, [a, b, c, d]) = (address.to_bits(), address.octets());
    let (low16, low24) = (bits & 0xffff, bits & 0xff_ffff);
    [
        format!("{a}.{b}.{c}.{d}"),
        format!("{a}.{b}.{c}.{d}."),
        format!("{bits}"),
        format!("{bits:#x}"),
        format!("0{bits:o}"),
        format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
        format!("0{a:o}.0{b:o}.{c}.{d}"),
        format!("{a}.{b}.{low16}"),
        format!("{a}.{low24}"),
        format!("%{:02x}.{b}.{c}.{d}", b'0').replacen("%30", &a.to_string().replace('1', "%31"), 1),
        format!("{a}。{b}．{c}.{d}"),
        format!("[::ffff:{a}.{b}.{c}.{d}]"),
    ]
}

/// What the standard library knows to be nobody's public address; [`egress::is_public`] knows more.
fn is_inside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_loopback()
                || address.is_private()
                || address.is_link_local()
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_broadcast()
        }
        IpAddr::V6(address) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_unique_local()
                || address.is_unicast_link_local()
                || address.is_multicast()
                || address.to_ipv4().is_some_and(|address| is_inside(address.into()))
        }
    }
}

/// A file's beginning, after a line with the type that its sender says it has: what is guessed is a type, and a file that is taken is what
/// its sender says.
#[must_use]
pub fn media(bytes: &[u8]) -> bool {
    let (declared, head) = split_line(bytes);
    let guessed = kind::guess(head, str::from_utf8(declared).ok());
    assert!(kind::parse(guessed).is_ok(), "a type was guessed that is not taken");
    let size_bytes = head.len() as u64;
    let Some(declared) = str::from_utf8(declared).ok().and_then(|text| kind::parse(text).ok()) else {
        return false;
    };
    match kind::check(&declared, size_bytes, head) {
        Ok(checked) => {
            assert!(size_bytes > 0 && size_bytes <= kind::MOST_BYTES);
            assert!(kind::parse(&checked.mime_type).is_ok(), "a type was kept that is not taken");
            true
        }
        Err(_) => false,
    }
}

/// The first line, and what comes after it.
pub(crate) fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[]),
    }
}
