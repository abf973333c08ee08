//! The addresses of one cluster: a /16 that no other cluster of ours has and no route of this machine leads to.

use std::{
    fs::{self, File, TryLockError},
    net::Ipv4Addr,
    path::Path,
};

use anyhow::{Context as _, Result, bail};
use waxseal_testbed::tools;

/// Second octets of `10.0.0.0/8`.
const BLOCKS: std::ops::Range<u8> = 192..255;

/// Taken as long as the value lives; the kernel gives the lock back with our process.
pub(super) struct Network {
    block: u8,
    _lock: File,
}

impl Network {
    pub(super) fn reserve() -> Result<Self> {
        Self::reserve_in(&tools::cache_dir()?.join("networks"))
    }

    fn reserve_in(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let routes = fs::read_to_string("/proc/net/route").unwrap_or_default();
        for block in BLOCKS.filter(|block| !is_routed(*block, &routes)) {
            let lock = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(folder.join(block.to_string()))?;
            match lock.try_lock() {
                Ok(()) => return Ok(Self { block, _lock: lock }),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
        }
        bail!("no network is free: every 10.x.0.0/16 from {BLOCKS:?} is routed or taken by another test cluster")
    }

    /// A name for what is named system-wide.
    pub(super) fn name(&self) -> String {
        format!("waxseal{}", self.block)
    }

    fn address(&self, third: u8, fourth: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, self.block, third, fourth)
    }

    /// All of it.
    pub(super) fn whole(&self) -> String {
        format!("{}/16", self.address(0, 0))
    }

    pub(super) fn pods(&self) -> String {
        format!("{}/20", self.address(0, 0))
    }

    /// The pods of the only node.
    pub(super) fn node_pods(&self) -> String {
        format!("{}/24", self.address(0, 0))
    }

    pub(super) fn services(&self) -> String {
        format!("{}/20", self.address(128, 0))
    }

    /// Of the Service `kubernetes`.
    pub(super) fn api_service(&self) -> Ipv4Addr {
        self.address(128, 1)
    }

    pub(super) fn dns_service(&self) -> Ipv4Addr {
        self.address(128, 10)
    }

    /// This machine as the node and its pods see it.
    pub(super) fn host(&self) -> Ipv4Addr {
        self.address(255, 1)
    }

    pub(super) fn node(&self) -> Ipv4Addr {
        self.address(255, 2)
    }
}

/// Whether one of `routes` (as in `/proc/net/route`), other than the default route, is about the block.
fn is_routed(block: u8, routes: &str) -> bool {
    let ours = u32::from(Ipv4Addr::new(10, block, 0, 0));
    routes.lines().skip(1).any(|line| {
        let mut fields = line.split_ascii_whitespace();
        let number = |field: Option<&str>| field.and_then(|text| u32::from_str_radix(text, 16).ok()).map(u32::swap_bytes);
        let (Some(to), Some(mask)) = (number(fields.nth(1)), number(fields.nth(5))) else {
            return false;
        };
        mask != 0 && (to ^ ours) & mask & 0xffff_0000 == 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_clusters_have_different_networks() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = || Network::reserve_in(folder.path()).unwrap();
        let (one, other) = (reserve(), reserve());
        assert_ne!(one.whole(), other.whole());
        let block = one.block;
        drop(one);
        assert_eq!(reserve().block, block);
    }

    #[test]
    fn routed_networks_are_left_alone() {
        let routes = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n\
            eth0 00000000 0100A8C0 0003 0 0 0 00000000 0 0 0\n\
            vpn0 0000C80A 00000000 0001 0 0 0 0000FEFF 0 0 0\n\
            vpn1 0340DC0A 00000000 0001 0 0 0 FFFFFFFF 0 0 0\n";
        let routed: Vec<u8> = BLOCKS.filter(|block| is_routed(*block, routes)).collect();
        assert_eq!(routed, [200, 201, 220]);
        assert!(!is_routed(192, ""));
    }
}
