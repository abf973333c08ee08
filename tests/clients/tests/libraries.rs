//! Further libraries, as they are shipped: one file each.

#[path = "libraries/facebook_sdk.rs"]
mod facebook_sdk;
#[path = "libraries/heyoo.rs"]
mod heyoo;
#[path = "libraries/kapso.rs"]
mod kapso;
#[path = "libraries/whatsapp_sdk.rs"]
mod whatsapp_sdk;
