//! A number's life in a pod.

pub mod config;
pub mod files;
pub mod ownership;
