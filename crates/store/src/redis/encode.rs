//! Batches as commands. A value is copied once here, into the command that the client writes out; numbers are formatted without strings.

use bytes::{BufMut, Bytes};
use redis::{Cmd, RedisWrite};

use super::script;
use crate::batch::MAX_NUMBER;
use crate::options::millis;
use crate::work::ClaimRequest;
use crate::{Batch, Error, Key, Op};

/// Tells the mark of one batch from that of any other.
pub(super) type Tag = [u8; 16];

const PLAIN: u8 = 0;
const TAGGED: u8 = 1;

pub(super) fn commit(batch: &Batch, tag: Option<&Tag>, ttl_cap_ms: u64) -> Cmd {
    let script = if batch.only_frees() { &script::RELEASE } else { &script::COMMIT };
    let mark = tag.and(batch.mark());
    let keys = usize::from(batch.fence.is_some()) + batch.absent.len() + batch.ops.len();
    let mut command = Cmd::with_capacity(9 + keys + 4 * batch.ops.len(), batch.size() + 96);
    let mut number = itoa::Buffer::new();
    command.write_arg(b"EVALSHA");
    command.write_arg(script.hash().as_bytes());
    command.write_arg(number.format(keys).as_bytes());
    if let Some(fence) = &batch.fence {
        write_key(&mut command, &fence.lane);
    }
    for key in batch.absent.iter().chain(batch.ops.iter().map(Op::key)) {
        write_key(&mut command, key);
    }
    command.write_arg(number.format(ttl_cap_ms).as_bytes());
    match &batch.fence {
        Some(fence) => {
            command.write_arg(number.format(fence.epoch).as_bytes());
            command.write_arg(number.format(fence.seq).as_bytes());
        }
        None => {
            command.write_arg(b"");
            command.write_arg(b"");
        }
    }
    command.write_arg(number.format(batch.absent.len()).as_bytes());
    match (tag, mark.and_then(|index| batch.ops.get(index))) {
        (Some(tag), Some(Op::Put { ttl, .. })) => {
            command.write_arg(tag);
            command.write_arg(number.format(millis(*ttl)).as_bytes());
        }
        _ => {
            command.write_arg(b"");
            command.write_arg(b"");
        }
    }
    for (index, op) in batch.ops.iter().enumerate() {
        write_op(&mut command, op, tag.filter(|_| mark == Some(index)), &mut number);
    }
    command
}

fn write_op(command: &mut Cmd, op: &Op, tag: Option<&Tag>, number: &mut itoa::Buffer) {
    match op {
        Op::Put { value, ttl, .. } => {
            command.write_arg(b"P");
            command.write_arg(number.format(millis(*ttl)).as_bytes());
            let mut argument = command.bufmut_for_next_arg(value.len() + 17);
            match tag {
                Some(tag) => {
                    argument.put_u8(TAGGED);
                    argument.put_slice(tag);
                }
                None => argument.put_u8(PLAIN),
            }
            argument.put_slice(value);
        }
        Op::Delete { .. } => command.write_arg(b"D"),
        Op::Append { value, ttl, .. } => {
            command.write_arg(b"A");
            command.write_arg(number.format(millis(*ttl)).as_bytes());
            command.write_arg(value);
        }
        Op::Remove { id, .. } => {
            command.write_arg(b"R");
            command.write_arg_fmt(id);
        }
        Op::Schedule { member, due_ms, ttl, .. } => {
            command.write_arg(b"S");
            command.write_arg(number.format(millis(*ttl)).as_bytes());
            command.write_arg(member);
            command.write_arg(number.format((*due_ms).min(MAX_NUMBER)).as_bytes());
        }
        Op::Unschedule { member, .. } => {
            command.write_arg(b"U");
            command.write_arg(member);
        }
    }
}

pub(super) fn claim(request: &ClaimRequest, token: &Tag, ttl_cap_ms: u64) -> Cmd {
    let mut command = Cmd::new();
    let mut number = itoa::Buffer::new();
    command.write_arg(b"EVALSHA");
    command.write_arg(script::CLAIM.hash().as_bytes());
    command.write_arg(b"1");
    write_key(&mut command, &request.lane);
    command.write_arg(number.format(ttl_cap_ms).as_bytes());
    command.write_arg(number.format(request.at_least).as_bytes());
    command.write_arg(token);
    command
}

fn write_key(command: &mut Cmd, key: &Key) {
    command.write_arg(key.as_str().as_bytes());
}

/// What the caller had put, from what is stored.
pub(super) fn value(stored: Vec<u8>) -> Result<Bytes, Error> {
    let stored = Bytes::from(stored);
    match stored.first() {
        Some(&PLAIN) => Ok(stored.slice(1..)),
        Some(&TAGGED) if stored.len() >= 17 => Ok(stored.slice(17..)),
        _ => Err(Error::corrupt("a value was not written by this store")),
    }
}
