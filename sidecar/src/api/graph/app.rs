//! The app's node, and its tokens.

use super::{Answer, Call};
use crate::number::Number;

/// `/{app}` and its edges that are no other area's.
pub(super) async fn app(_numbers: &[&Number], _call: &mut Call<'_>) -> Answer {
    Ok(None)
}

/// Paths that start with a word: `oauth`, `debug_token`.
pub(super) async fn word(_word: &str, _numbers: &[&Number], _call: &mut Call<'_>) -> Answer {
    Ok(None)
}
