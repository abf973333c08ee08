//! What a server's reply to a batch or a claim means.

use redis::{ServerError, Value};

use crate::{Claim, EntryId, Error, Outcome};

/// What to do about a reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict<T> {
    /// The script ran.
    Ran(T),
    /// Certainly not applied, and worth another try ...
    Again(Remedy),
    /// Certainly not applied, and not worth another try.
    Failed(Error),
    /// The script broke off in the middle.
    Broken(Error),
}

/// ... after this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    LoadScripts,
    Reconnect,
}

pub(super) fn outcome(value: Value) -> Verdict<Outcome> {
    let items = match value {
        Value::Array(items) => items,
        Value::ServerError(error) => return failure(&error),
        _ => return unexpected(),
    };
    let number = |index: usize| items.get(index).and_then(number);
    let outcome = match number(0) {
        Some(0) => items
            .iter()
            .skip(1)
            .map(entry_id)
            .collect::<Option<Vec<_>>>()
            .map(|appended| Outcome::Applied { appended }),
        Some(1) => Some(Outcome::AlreadyApplied),
        Some(2) => number(1).and_then(|index| usize::try_from(index).ok()).map(Outcome::Exists),
        Some(3) => number(1).map(|epoch| Outcome::Stale { epoch }),
        Some(4) => number(1).zip(number(2)).map(|(epoch, seq)| Outcome::Gap { epoch, seq }),
        _ => None,
    };
    outcome.map_or_else(unexpected, Verdict::Ran)
}

pub(super) fn claim(value: Value) -> Verdict<Claim> {
    let items = match value {
        Value::Array(items) => items,
        Value::ServerError(error) => return failure(&error),
        _ => return unexpected(),
    };
    match items.iter().map(number).collect::<Option<Vec<_>>>().as_deref() {
        Some(&[epoch, seq, previous_epoch]) => Verdict::Ran(Claim {
            epoch,
            seq,
            previous_epoch,
        }),
        _ => unexpected(),
    }
}

fn unexpected<T>() -> Verdict<T> {
    Verdict::Broken(Error::corrupt("Redis answered a script with something else"))
}

pub(super) fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        Value::BulkString(text) => std::str::from_utf8(text).ok()?.parse().ok(),
        Value::SimpleString(text) => text.parse().ok(),
        _ => None,
    }
}

pub(super) fn entry_id(value: &Value) -> Option<EntryId> {
    match value {
        Value::BulkString(text) => EntryId::parse(text),
        Value::SimpleString(text) => EntryId::parse(text.as_bytes()),
        _ => None,
    }
}

/// Whether the server will answer the same command better after a moment or on another connection.
pub(super) fn remedy(error: &ServerError) -> Option<Remedy> {
    match error.code() {
        "NOSCRIPT" => Some(Remedy::LoadScripts),
        "READONLY" | "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" | "BUSY" | "NOAUTH" | "MOVED" | "ASK" | "UNBLOCKED" => {
            Some(Remedy::Reconnect)
        }
        _ => None,
    }
}

pub(super) fn failure<T>(error: &ServerError) -> Verdict<T> {
    if let Some(remedy) = remedy(error) {
        return Verdict::Again(remedy);
    }
    let details = error.details().unwrap_or_default();
    match error.code() {
        "OOM" => Verdict::Failed(Error::unavailable(
            "Redis has no memory left: raise maxmemory or let the queues drain",
        )),
        "MISCONF" => Verdict::Failed(Error::unavailable(
            "Redis cannot write its data to disk and takes no writes (MISCONF)",
        )),
        "NOREPLICAS" => Verdict::Failed(Error::unavailable(
            "Redis has too few replicas to take writes (min-replicas-to-write)",
        )),
        "NOPERM" => Verdict::Failed(Error::refused(format!("the Redis user lacks a permission: {details}"))),
        "WAXSEAL" => Verdict::Failed(Error::refused(details)),
        // A command inside the script failed, for example on a key of another type: what came before it stays.
        code => Verdict::Broken(Error::corrupt(format!("{code} {details}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn replies_of_the_scripts() {
        let reply = |items| outcome(Value::Array(items));
        assert_eq!(reply(vec![Value::Int(0)]), Verdict::Ran(Outcome::Applied { appended: vec![] }));
        assert_eq!(
            reply(vec![Value::Int(0), bulk("17-0"), bulk("17-1")]),
            Verdict::Ran(Outcome::Applied {
                appended: vec![EntryId(17, 0), EntryId(17, 1)]
            })
        );
        assert_eq!(reply(vec![Value::Int(1)]), Verdict::Ran(Outcome::AlreadyApplied));
        assert_eq!(reply(vec![Value::Int(2), Value::Int(3)]), Verdict::Ran(Outcome::Exists(3)));
        assert_eq!(reply(vec![Value::Int(3), bulk("9")]), Verdict::Ran(Outcome::Stale { epoch: 9 }));
        assert_eq!(
            reply(vec![Value::Int(4), bulk("9"), bulk("8")]),
            Verdict::Ran(Outcome::Gap { epoch: 9, seq: 8 })
        );
        for odd in [
            vec![],
            vec![Value::Int(9)],
            vec![Value::Int(0), bulk("x")],
            vec![Value::Int(3)],
            vec![Value::Int(2), Value::Int(-1)],
        ] {
            assert!(matches!(reply(odd), Verdict::Broken(_)));
        }
        assert!(matches!(outcome(Value::Nil), Verdict::Broken(_)));
        let token = Value::Array(vec![bulk("5"), bulk("4"), bulk("3")]);
        assert_eq!(
            claim(token),
            Verdict::Ran(Claim {
                epoch: 5,
                seq: 4,
                previous_epoch: 3
            })
        );
        assert!(matches!(claim(Value::Array(vec![bulk("5")])), Verdict::Broken(_)));
    }
}
