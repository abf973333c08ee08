//! Whether a server is fit to hold state, decided from what it says about itself. Pure: no IO.

use crate::Durability;

/// What a server said in `INFO` and `CONFIG GET appendfsync`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) version: Option<(u32, u32)>,
    pub(super) role: String,
    pub(super) connected_replicas: u32,
    pub(super) eviction_policy: String,
    pub(super) append_only: bool,
    pub(super) append_fsync: Option<String>,
    pub(super) loading: bool,
}

/// What ends a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Barrier {
    /// The reply itself says all that was asked for.
    None,
    /// `WAIT`: so many replicas have it.
    Replicas(u32),
    /// `WAITAOF`: it is on the server's disk.
    Disk,
}

/// Why a server is not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// Somebody must change something.
    Settings(String),
    /// It may well be fit in a moment.
    NotNow(String),
}

impl Facts {
    pub(super) fn parse(info: &str, append_fsync: Option<String>) -> Self {
        let field = |name: &str| {
            info.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(str::trim)
                .unwrap_or_default()
        };
        let mut version = field("redis_version").split('.').map(|part| part.parse::<u32>().ok());
        Self {
            version: version.next().flatten().zip(version.next().flatten()),
            role: field("role").to_owned(),
            connected_replicas: field("connected_slaves").parse().unwrap_or_default(),
            eviction_policy: field("maxmemory_policy").to_owned(),
            append_only: field("aof_enabled") == "1",
            append_fsync,
            loading: field("loading") == "1",
        }
    }

    /// The barrier that gives `durability` on this server. `replicated_before`: replicas were seen earlier, so `Auto` keeps asking for one.
    pub(super) fn judge(&self, durability: Durability, replicated_before: bool) -> Result<Barrier, Unfit> {
        if self.loading {
            return Err(Unfit::NotNow("Redis is loading its data".to_owned()));
        }
        match self.version {
            Some(version) if version >= (7, 0) => {}
            Some((major, minor)) => {
                return Err(Unfit::Settings(format!(
                    "Redis {major}.{minor} is too old: use Redis 7.0 or Valkey 7.2 or newer"
                )));
            }
            None => {
                return Err(Unfit::Settings(
                    "the server does not tell its version (INFO server): is it a Redis?".to_owned(),
                ));
            }
        }
        if self.role != "master" {
            return Err(Unfit::NotNow(format!(
                "Redis is a {}, not the master: connect to the master",
                self.role
            )));
        }
        if self.eviction_policy != "noeviction" {
            return Err(Unfit::Settings(format!(
                "maxmemory-policy is {}, which deletes live sessions when memory runs out: set `maxmemory-policy noeviction`",
                if self.eviction_policy.is_empty() {
                    "unknown (INFO memory)"
                } else {
                    &self.eviction_policy
                },
            )));
        }
        match durability {
            Durability::Memory => Ok(Barrier::None),
            Durability::Fsync => self.disk(),
            Durability::Replicated(wanted) => self.replicas(wanted),
            Durability::Auto if replicated_before || self.connected_replicas > 0 => self.replicas(1),
            Durability::Auto => Ok(Barrier::None),
        }
    }

    fn replicas(&self, wanted: u32) -> Result<Barrier, Unfit> {
        if self.connected_replicas < wanted {
            return Err(Unfit::NotNow(format!(
                "{wanted} replicas are to acknowledge and {} are connected",
                self.connected_replicas
            )));
        }
        Ok(Barrier::Replicas(wanted))
    }

    fn disk(&self) -> Result<Barrier, Unfit> {
        if !self.append_only {
            return Err(Unfit::Settings(
                "durability Fsync needs the append-only file: set `appendonly yes` and `appendfsync always`".to_owned(),
            ));
        }
        if self.append_fsync.as_deref() == Some("always") {
            return Ok(Barrier::None);
        }
        if self.version >= Some((7, 2)) {
            return Ok(Barrier::Disk);
        }
        Err(Unfit::Settings(format!(
            "durability Fsync needs `appendfsync always` on a Redis older than 7.2, and it is {}: set `appendfsync always`, use Redis 7.2 or \
             newer, or choose another durability",
            self.append_fsync
                .as_deref()
                .unwrap_or("unknown because CONFIG GET is not permitted"),
        )))
    }

    /// How much of the last writes a crash can cost, in words for the log.
    pub(super) fn promise(&self, barrier: Barrier) -> &'static str {
        match barrier {
            Barrier::Replicas(_) => "each group is acknowledged by replicas",
            Barrier::Disk => "each group waits for the disk",
            Barrier::None if !self.append_only => "memory only: a crash of Redis loses everything",
            Barrier::None if self.append_fsync.as_deref() == Some("always") => "each reply is on the disk",
            Barrier::None => "append-only file: a crash of the machine can lose the last second",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = "# Server\r\nredis_version:7.0.15\r\n# Memory\r\nused_memory:1\r\nmaxmemory_policy:noeviction\r\n# Persistence\r\nloading:0\r\n\
                        async_loading:0\r\naof_enabled:1\r\n# Replication\r\nrole:master\r\nconnected_slaves:0\r\n";

    fn facts(append_fsync: &str) -> Facts {
        Facts::parse(INFO, Some(append_fsync.to_owned()))
    }

    #[test]
    fn info_is_understood() {
        assert_eq!(
            facts("everysec"),
            Facts {
                version: Some((7, 0)),
                role: "master".to_owned(),
                connected_replicas: 0,
                eviction_policy: "noeviction".to_owned(),
                append_only: true,
                append_fsync: Some("everysec".to_owned()),
                loading: false,
            }
        );
    }

    #[test]
    fn each_durability_gets_its_barrier() {
        let always = facts("always");
        let everysec = facts("everysec");
        let newer = Facts {
            version: Some((7, 2)),
            ..everysec.clone()
        };
        let replicated = Facts {
            connected_replicas: 2,
            ..everysec.clone()
        };
        assert_eq!(everysec.judge(Durability::Memory, false), Ok(Barrier::None));
        assert_eq!(everysec.judge(Durability::Auto, false), Ok(Barrier::None));
        assert_eq!(replicated.judge(Durability::Auto, false), Ok(Barrier::Replicas(1)));
        assert!(
            matches!(everysec.judge(Durability::Auto, true), Err(Unfit::NotNow(_))),
            "a replica that was there is not given up"
        );
        assert_eq!(replicated.judge(Durability::Replicated(2), false), Ok(Barrier::Replicas(2)));
        assert!(matches!(replicated.judge(Durability::Replicated(3), false), Err(Unfit::NotNow(_))));
        assert_eq!(always.judge(Durability::Fsync, false), Ok(Barrier::None));
        assert_eq!(newer.judge(Durability::Fsync, false), Ok(Barrier::Disk));
        let Err(Unfit::Settings(text)) = everysec.judge(Durability::Fsync, false) else {
            panic!("everysec is no fsync")
        };
        assert!(text.contains("appendfsync always"), "{text}");
        let off = Facts {
            append_only: false,
            ..newer
        };
        assert!(matches!(off.judge(Durability::Fsync, false), Err(Unfit::Settings(_))));
    }

    #[test]
    fn unfit_servers_are_named() {
        let good = facts("always");
        let settings = |facts: Facts| matches!(facts.judge(Durability::Memory, false), Err(Unfit::Settings(_)));
        let not_now = |facts: Facts| matches!(facts.judge(Durability::Memory, false), Err(Unfit::NotNow(_)));
        assert!(settings(Facts {
            eviction_policy: "allkeys-lru".to_owned(),
            ..good.clone()
        }));
        assert!(settings(Facts {
            eviction_policy: "volatile-ttl".to_owned(),
            ..good.clone()
        }));
        assert!(settings(Facts {
            eviction_policy: String::new(),
            ..good.clone()
        }));
        assert!(settings(Facts {
            version: Some((6, 2)),
            ..good.clone()
        }));
        assert!(settings(Facts {
            version: None,
            ..good.clone()
        }));
        assert!(not_now(Facts {
            role: "slave".to_owned(),
            ..good.clone()
        }));
        assert!(not_now(Facts { loading: true, ..good }));
    }
}
