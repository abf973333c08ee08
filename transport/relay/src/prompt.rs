//! A connection whose client has to say soon what it wants: one that has not sent the preface of HTTP/2 in time is ended. Pings, which end
//! those that are silent later, begin only then; without this, whoever opens connections and says nothing holds them for ever.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};
use tonic::transport::server::Connected;

/// `PRI * HTTP/2.0`, two empty lines, `SM`, and an empty line again.
const PREFACE_BYTES: usize = 24;

/// See the module.
pub(crate) struct Prompt<S> {
    stream: S,
    read_bytes: usize,
    /// Gone once the preface has come.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S> Prompt<S> {
    pub(crate) fn new(stream: S, patience: Duration) -> Self {
        Self {
            stream,
            read_bytes: 0,
            timer: Some(Box::pin(tokio::time::sleep(patience))),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prompt<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let Some(timer) = &mut self.timer else { return polled };
        if polled.is_pending() {
            return timer.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()));
        }
        self.read_bytes += buffer.filled().len() - before;
        if self.read_bytes >= PREFACE_BYTES {
            self.timer = None;
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prompt<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: Connected> Connected for Prompt<S> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.stream.connect_info()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn who_says_nothing_or_half_of_it_is_left() {
        for said in [0, PREFACE_BYTES - 1] {
            let (near, mut far) = tokio::io::duplex(64);
            far.write_all(&vec![0; said]).await.unwrap();
            let mut prompt = Prompt::new(near, PATIENCE);
            let ended = prompt.read_exact(&mut [0; PREFACE_BYTES]).await;
            assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
        }
    }

    #[tokio::test]
    async fn who_has_begun_may_be_silent() {
        let (near, mut far) = tokio::io::duplex(64);
        far.write_all(&[0; PREFACE_BYTES]).await.unwrap();
        let mut prompt = Prompt::new(near, PATIENCE);
        prompt.read_exact(&mut [0; PREFACE_BYTES]).await.unwrap();
        let silent = tokio::time::timeout(PATIENCE * 4, prompt.read_u8()).await;
        assert!(silent.is_err(), "it was ended");
        far.write_all(b"x").await.unwrap();
        assert_eq!(prompt.read_u8().await.unwrap(), b'x');
    }
}
