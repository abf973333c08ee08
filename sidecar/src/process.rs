//! What a process that has keys and texts in its memory denies to others.

use std::io;

/// Keys and texts are in this process's memory: no core dumps, no reading by other processes of the user. One TLS provider for all.
///
/// # Errors
/// When the system refuses.
pub fn harden() -> io::Result<()> {
    let none = rustix::process::Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    rustix::process::setrlimit(rustix::process::Resource::Core, none)?;
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    // Fails only if there is one already, which then serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(())
}
