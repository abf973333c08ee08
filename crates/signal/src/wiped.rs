//! Memory that is wiped when nobody holds it any more.

use prost::bytes::Bytes;
use zeroize::Zeroizing;

/// Shares bytes and wipes them when nobody holds them any more.
pub(crate) fn wiped_on_drop(bytes: Vec<u8>) -> Bytes {
    Bytes::from_owner(Zeroizing::new(bytes))
}
