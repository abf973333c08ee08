//! Processor time and memory of processes, from `/proc`.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};

/// Clock ticks per second of `/proc/PID/stat`: 100 on every Linux there is.
const TICKS_PER_SECOND: u64 = 100;
const PAGE_KIB: u64 = 4;

/// User and system time a process has used so far.
pub fn used(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("the process is gone")?;
    // The name, in parentheses, may hold spaces.
    let rest = stat.rsplit_once(')').context("stat")?.1;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |index: usize| -> Result<u64> { Ok(fields.get(index).context("stat")?.parse()?) };
    Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 1000 / TICKS_PER_SECOND))
}

/// Resident memory in MiB.
pub fn resident_mib(pid: u32) -> Result<f64> {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).context("the process is gone")?;
    let pages: u64 = statm.split_whitespace().nth(1).context("statm")?.parse()?;
    #[expect(clippy::cast_precision_loss, reason = "memory sizes fit")]
    Ok((pages * PAGE_KIB) as f64 / 1024.0)
}
