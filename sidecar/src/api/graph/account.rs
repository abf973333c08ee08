//! The account's node and its numbers.

use super::{Answer, Call};
use crate::number::Number;

/// `/{account}` and its edges that are no other area's.
pub(super) async fn account(_numbers: &[&Number], _call: &mut Call<'_>) -> Answer {
    Ok(None)
}
