//! What goes over names: counting what exists under a prefix, and erasing it.

use std::collections::HashSet;
use std::time::Duration;

use redis::{Pipeline, Value, cmd};

use super::{Reader, unexpected};
use crate::census::{CENSUS_LIMIT, Census};
use crate::redis::preflight::Barrier;
use crate::redis::reply::number;
use crate::{Error, Key};

const SCAN_PAGE: usize = 1_000;
/// A census stops after so many pages, however few of the names match.
const CENSUS_PAGES: u64 = 1_000;

impl Reader {
    pub(crate) async fn census(&self, prefix: &Key) -> Result<Census, Error> {
        let mut census = Census {
            complete: true,
            ..Census::default()
        };
        // A scan may show a name more than once.
        let mut seen = HashSet::new();
        let mut cursor = Vec::from(*b"0");
        for page in 1.. {
            let names;
            (cursor, names) = self.scan(&cursor, prefix).await?;
            let names: Vec<Vec<u8>> = names.into_iter().filter(|name| seen.insert(name.clone())).collect();
            if !names.is_empty() {
                let mut pipeline = Pipeline::with_capacity(names.len());
                for name in &names {
                    pipeline.cmd("PTTL").arg(name);
                }
                for value in self.query(&pipeline).await? {
                    census.count(&value);
                }
            }
            if cursor == b"0" {
                break;
            }
            if census.keys >= CENSUS_LIMIT || page >= CENSUS_PAGES {
                census.complete = false;
                break;
            }
        }
        Ok(census)
    }

    pub(crate) async fn erase(&self, prefix: &Key) -> Result<u64, Error> {
        let mut erased = 0;
        let mut cursor = Vec::from(*b"0");
        loop {
            let names;
            (cursor, names) = self.scan(&cursor, prefix).await?;
            if !names.is_empty() {
                let mut pipeline = Pipeline::with_capacity(2);
                pipeline.cmd("UNLINK").arg(names);
                let barrier = self.slot.lock().await.link.as_ref().map_or(Barrier::None, |link| link.barrier);
                self.endpoint.end_group(&mut pipeline, barrier);
                erased += self
                    .query_until(&pipeline, barrier)
                    .await?
                    .first()
                    .and_then(number)
                    .ok_or_else(unexpected)?;
            }
            if cursor == b"0" {
                return Ok(erased);
            }
        }
    }

    async fn scan(&self, cursor: &[u8], prefix: &Key) -> Result<(Vec<u8>, Vec<Vec<u8>>), Error> {
        let mut command = cmd("SCAN");
        command.arg(cursor).arg("MATCH").arg(pattern(prefix)).arg("COUNT").arg(SCAN_PAGE);
        let reply = redis::from_redis_value::<(Vec<u8>, Vec<Vec<u8>>)>(self.one(command).await?);
        reply.map_err(|_| unexpected())
    }
}

impl Census {
    fn count(&mut self, pttl: &Value) {
        match pttl {
            Value::Int(-1) => {
                self.keys += 1;
                self.without_expiry += 1;
            }
            Value::Int(left) => {
                // -2: it went away meanwhile.
                let Ok(left) = u64::try_from(*left) else { return };
                self.note(Duration::from_millis(left));
            }
            _ => {}
        }
    }
}

fn pattern(prefix: &Key) -> String {
    let mut pattern = String::with_capacity(prefix.as_str().len() + 1);
    for character in prefix.as_str().chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('*');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Namespace;

    #[test]
    fn a_prefix_is_matched_literally() {
        assert_eq!(pattern(&Namespace::new("12").key("a*b[c")), "wx:{12}:a\\*b\\[c*");
    }
}
