//! The business profile.

use super::{Answer, Call};
use crate::number::Number;

/// `/{number}/whatsapp_business_profile`.
pub(super) async fn phone(_number: &Number, _call: &mut Call<'_>) -> Answer {
    Ok(None)
}
