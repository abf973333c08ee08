//! QR codes and short links.

use super::{Answer, Call};
use crate::number::Number;

/// `/{number}/message_qrdls`.
pub(super) async fn phone(_number: &Number, _call: &mut Call<'_>) -> Answer {
    Ok(None)
}
