//! The Lua scripts, and the names that the server knows them by.

use std::sync::LazyLock;

use redis::Pipeline;

pub(super) struct Script {
    code: &'static str,
    hash: LazyLock<String>,
}

impl Script {
    pub(super) fn hash(&self) -> &str {
        &self.hash
    }
}

const COMMIT_CODE: &str = concat!("#!lua\n", include_str!("commit.lua"));
const RELEASE_CODE: &str = concat!("#!lua flags=allow-oom\n", include_str!("commit.lua"));
const CLAIM_CODE: &str = include_str!("claim.lua");

/// Refused by a full server before it does anything.
pub(super) static COMMIT: Script = Script {
    code: COMMIT_CODE,
    hash: LazyLock::new(|| sha1(COMMIT_CODE)),
};

/// The same, for batches that only free memory: they go through when the server is full.
pub(super) static RELEASE: Script = Script {
    code: RELEASE_CODE,
    hash: LazyLock::new(|| sha1(RELEASE_CODE)),
};

pub(super) static CLAIM: Script = Script {
    code: CLAIM_CODE,
    hash: LazyLock::new(|| sha1(CLAIM_CODE)),
};

/// How many commands [`load`] adds.
pub(super) const LOADS: usize = 3;

pub(super) fn load(pipeline: &mut Pipeline) {
    for script in [&COMMIT, &RELEASE, &CLAIM] {
        pipeline.cmd("SCRIPT").arg("LOAD").arg(script.code);
    }
}

fn sha1(code: &str) -> String {
    redis::Script::new(code).get_hash().to_owned()
}
