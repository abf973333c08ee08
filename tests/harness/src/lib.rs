//! Real processes for tests. Nothing in here is a mock: every server is a process or a socket of its own on a free loopback port, in its own
//! temporary directory, and ends with the value that started it.

pub mod bucket;
pub mod business;
pub mod certificates;
pub mod chat;
#[cfg(unix)]
pub mod kubernetes;
pub mod numbers;
pub mod ports;
pub mod program;
pub mod proxy;
pub mod receiver;
pub mod redis;
pub mod scan;
pub mod tls;
pub mod up;
