//! The life cycle of a number: codes, registration, PIN.

use super::{Answer, Call};
use crate::number::Number;

/// `/{number}/register`, `deregister`, `request_code`, `verify_code`.
pub(super) async fn phone(_number: &Number, _call: &mut Call<'_>) -> Answer {
    Ok(None)
}

/// `POST /{number}`: the PIN, and what else the node takes.
pub(super) async fn node(_number: &Number, _call: &mut Call<'_>) -> Answer {
    Ok(None)
}
