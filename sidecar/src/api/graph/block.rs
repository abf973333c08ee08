//! Blocked consumers.

use super::{Answer, Call};
use crate::number::Number;

/// `/{number}/block_users`.
pub(super) async fn phone(_number: &Number, _call: &mut Call<'_>) -> Answer {
    Ok(None)
}
