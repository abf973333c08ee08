//! Settings: storage, identity check.

use super::{Answer, Call};
use crate::number::Number;

/// `/{number}/settings`.
pub(super) async fn phone(_number: &Number, _call: &mut Call<'_>) -> Answer {
    Ok(None)
}
