//! Message templates.

use super::{Answer, Call};
use crate::number::Number;

/// `/{account}/message_templates` and its kin.
pub(super) async fn account(_numbers: &[&Number], _call: &mut Call<'_>) -> Answer {
    Ok(None)
}

/// `/{template}`: `None` when there is no template of this id.
pub(super) async fn object(_id: &str, _numbers: &[&Number], _call: &mut Call<'_>) -> Answer {
    Ok(None)
}
