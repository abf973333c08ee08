//! Small files of kinds that may be sent, and a server for those that are sent by link.

use std::path::Path;

use anyhow::{Context as _, Result};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    process::Command,
};

use crate::{driver::python, namespace::package};

/// Name, type and content of each, as the drivers in Python have them.
///
/// # Errors
/// When the libraries are not installed.
pub async fn all(folder: &Path) -> Result<()> {
    let script = "import pathlib, sys, files as f\n\
        out = pathlib.Path(sys.argv[1])\n\
        for kind, content in {'image/png': f.PNG, 'image/jpeg': f.JPEG, 'image/webp': f.WEBP, 'audio/ogg': f.OGG, 'audio/mpeg': f.MP3, \
        'video/mp4': f.MP4, 'application/pdf': f.PDF, 'text/plain': f.TEXT}.items():\n    \
        (out / kind.replace('/', '-')).write_bytes(content)\n";
    let status = Command::new(python()?)
        .args(["-B", "-c", script])
        .arg(folder)
        .current_dir(package().join("pywa"))
        .status()
        .await?;
    anyhow::ensure!(status.success(), "the files could not be written");
    Ok(())
}

/// Answers every request on an address with this file, until the test ends.
///
/// # Errors
/// When it cannot listen.
pub async fn serve(address: &str, kind: &'static str, content: Vec<u8>) -> Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let content = content.clone();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    content.len()
                );
                let _ = stream.write_all(&[head.as_bytes(), &content].concat()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    Ok(())
}
