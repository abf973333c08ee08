//! Which addresses are public. Pure.
//!
//! After the registries of special-purpose addresses of IANA (RFC 6890 and later): what is not meant to be reached over the open Internet is
//! out, and so are forms that only wrap another address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks that are not public: base and length of the prefix.
const V4: [([u8; 4], u32); 18] = [
    ([0, 0, 0, 0], 8),        // this network
    ([10, 0, 0, 0], 8),       // private
    ([100, 64, 0, 0], 10),    // behind a carrier's translator; metadata of one cloud
    ([127, 0, 0, 0], 8),      // this machine
    ([168, 63, 129, 16], 32), // inside of one cloud, for all its public form
    ([169, 254, 0, 0], 16),   // this link; metadata of most clouds
    ([172, 16, 0, 0], 12),    // private
    ([192, 0, 0, 0], 24),     // protocol assignments; metadata of one cloud
    ([192, 0, 2, 0], 24),     // examples
    ([192, 31, 196, 0], 24),  // for resolvers only
    ([192, 52, 193, 0], 24),  // multicast relays
    ([192, 88, 99, 0], 24),   // relays of 6to4
    ([192, 168, 0, 0], 16),   // private
    ([198, 18, 0, 0], 15),    // benchmarks
    ([198, 51, 100, 0], 24),  // examples
    ([203, 0, 113, 0], 24),   // examples
    ([224, 0, 0, 0], 4),      // multicast
    ([240, 0, 0, 0], 4),      // reserved, and broadcast
];

/// Within 2000::/3, which is all that is routed at all.
const V6: [([u16; 8], u32); 6] = [
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),         // protocol assignments: Teredo, benchmarks, ORCHID
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),     // examples
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),         // 6to4: wraps an IPv4 address
    ([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48), // for resolvers only
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),         // examples
    ([0x3ffe, 0, 0, 0, 0, 0, 0, 0], 16),         // given back
];

/// Whether an address can be reached over the open Internet by anybody, and is nobody's inside.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let within = |(base, length): &([u8; 4], u32)| (address.to_bits() ^ Ipv4Addr::from(*base).to_bits()) >> (32 - length) == 0;
    !V4.iter().any(within)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let within = |base: [u16; 8], length: u32| (address.to_bits() ^ Ipv6Addr::from(base).to_bits()) >> (128 - length) == 0;
    // Everything else is local, multicast, or wraps an IPv4 address: mapped, compatible, translated (NAT64).
    within([0x2000, 0, 0, 0, 0, 0, 0, 0], 3) && !V6.iter().any(|(base, length)| within(*base, *length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_public_and_what_is_not() {
        for (text, public) in [
            ("0.0.0.0", false),
            ("0.1.2.3", false),
            ("1.1.1.1", true),
            ("8.8.8.8", true),
            ("9.255.255.255", true),
            ("10.0.0.0", false),
            ("10.255.255.255", false),
            ("11.0.0.0", true),
            ("100.63.255.255", true),
            ("100.64.0.1", false),
            ("100.100.100.200", false),
            ("100.127.255.255", false),
            ("100.128.0.0", true),
            ("127.0.0.1", false),
            ("127.255.255.254", false),
            ("168.63.129.16", false),
            ("168.63.129.17", true),
            ("169.253.255.255", true),
            ("169.254.169.254", false),
            ("172.15.255.255", true),
            ("172.16.0.1", false),
            ("172.31.255.255", false),
            ("172.32.0.0", true),
            ("192.0.0.192", false),
            ("192.0.1.1", true),
            ("192.0.2.1", false),
            ("192.88.99.1", false),
            ("192.167.255.255", true),
            ("192.168.1.1", false),
            ("192.169.0.0", true),
            ("198.17.255.255", true),
            ("198.18.0.1", false),
            ("198.19.255.255", false),
            ("198.51.100.7", false),
            ("203.0.113.7", false),
            ("223.255.255.255", true),
            ("224.0.0.1", false),
            ("239.255.255.255", false),
            ("240.0.0.1", false),
            ("255.255.255.255", false),
            ("::", false),
            ("::1", false),
            ("::7f00:1", false),
            ("::127.0.0.1", false),
            ("::8.8.8.8", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:10.0.0.1", false),
            ("::ffff:8.8.8.8", false),
            ("::ffff:0:8.8.8.8", false),
            ("64:ff9b::7f00:1", false),
            ("64:ff9b::8.8.8.8", false),
            ("64:ff9b:1::1", false),
            ("100::1", false),
            ("2001::1", false),
            ("2001:2::1", false),
            ("2001:10::1", false),
            ("2001:20::1", false),
            ("2001:db8::1", false),
            ("2001:200::1", true),
            ("2002:7f00:1::1", false),
            ("2002:808:808::1", false),
            ("2606:4700:4700::1111", true),
            ("2a00:1450:4001::1", true),
            ("3fff::1", false),
            ("4000::1", false),
            ("5f00::1", false),
            ("fc00::1", false),
            ("fd00:ec2::254", false),
            ("fe80::1", false),
            ("febf::1", false),
            ("fec0::1", false),
            ("ff02::1", false),
        ] {
            assert_eq!(is_public(text.parse().unwrap()), public, "{text}");
        }
    }

    proptest::proptest! {
        /// No way of wrapping an IPv4 address gets it past.
        #[test]
        fn no_wrapped_address_is_public(bits: u32) {
            let [a, b] = [u16::try_from(bits >> 16).unwrap(), u16::try_from(bits & 0xffff).unwrap()];
            for wrapped in [
                [0, 0, 0, 0, 0, 0, a, b],
                [0, 0, 0, 0, 0, 0xffff, a, b],
                [0, 0, 0, 0, 0xffff, 0, a, b],
                [0x64, 0xff9b, 0, 0, 0, 0, a, b],
                [0x64, 0xff9b, 1, 0, 0, 0, a, b],
                [0x2002, a, b, 0, 0, 0, 0, 1],
                [0x2001, 0, 0, 0, 0, 0, !a, !b],
            ] {
                proptest::prop_assert!(!is_public(IpAddr::V6(wrapped.into())));
            }
        }

        /// What the standard library knows to be special is not public here.
        #[test]
        fn never_more_public_than_the_standard_library_says(bits: u32) {
            let address = Ipv4Addr::from(bits);
            let special = address.is_private() || address.is_loopback() || address.is_link_local() || address.is_multicast()
                || address.is_broadcast() || address.is_documentation() || address.is_unspecified();
            proptest::prop_assert!(!(special && is_public(IpAddr::V4(address))));
        }
    }
}
