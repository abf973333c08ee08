//! Media: upload, address, download, deletion.

use super::{Answer, Call};
use crate::number::Number;

/// `/{number}/media`.
pub(super) async fn phone(_number: &Number, _call: &mut Call<'_>) -> Answer {
    Ok(None)
}

/// `/{media}`: `None` when no number has media of this id.
pub(super) async fn object(_id: &str, _numbers: &[&Number], _call: &mut Call<'_>) -> Answer {
    Ok(None)
}

/// `/media/…`: the addresses given out for media.
pub(super) async fn download(_numbers: &[&Number], _call: &mut Call<'_>) -> Answer {
    Ok(None)
}
