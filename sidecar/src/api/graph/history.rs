//! What became of messages and their webhooks.

use super::{Answer, Call};
use crate::number::Number;

/// `/{number}/message_history`, `webhook_dead_letters`, `webhook_replay`.
pub(super) async fn phone(_number: &Number, _call: &mut Call<'_>) -> Answer {
    Ok(None)
}

/// `/{history}/events`: `None` when there is no such entry.
pub(super) async fn object(_id: &str, _numbers: &[&Number], _call: &mut Call<'_>) -> Answer {
    Ok(None)
}
