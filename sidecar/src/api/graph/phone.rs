//! The phone number node.

use super::{Answer, Call};
use crate::number::Number;

/// `/{number}`, all but `POST`.
pub(super) async fn node(_number: &Number, _call: &mut Call<'_>) -> Answer {
    Ok(None)
}
