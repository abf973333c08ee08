//! Conversational automation, and what is kept as the business says it.

use super::{Answer, Call};
use crate::number::Number;

/// `/{number}/…`, every edge that is no other area's.
pub(super) async fn phone(_number: &Number, _call: &mut Call<'_>) -> Answer {
    Ok(None)
}
