//! The simulated camera's byte pipe: a listening socket with one connection at a time.

use embedded_io::{ErrorType, Read, ReadReady, Write};
use std::io::{self, ErrorKind};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// How long a camera with nothing to do waits for bytes before it looks at its sensor again.
const WAIT: Duration = Duration::from_millis(5);
/// A host that takes no bytes for so long is gone.
const SEND: Duration = Duration::from_secs(5);

/// The pipe. Whoever connects while somebody else is connected is turned away.
#[derive(Debug)]
pub struct SocketLink {
    listener: TcpListener,
    stream: Option<TcpStream>,
}

impl SocketLink {
    /// Takes connections from `listener`.
    ///
    /// # Errors
    /// When the socket cannot be made non-blocking.
    pub fn new(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self { listener, stream: None })
    }

    /// Whether a byte waits on the present connection. `Err` when that connection is over.
    fn peek(stream: &TcpStream) -> io::Result<bool> {
        match stream.peek(&mut [0]) {
            Ok(0) => Err(io::Error::new(ErrorKind::UnexpectedEof, "the host has gone")),
            Ok(_) => Ok(true),
            Err(error) if is_pause(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        match self.listener.accept() {
            // Dropping the new connection closes it.
            Ok(_) if self.stream.is_some() => Ok(()),
            Ok((stream, host)) => {
                tracing::info!(%host, "connected");
                stream.set_nonblocking(false)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(WAIT))?;
                stream.set_write_timeout(Some(SEND))?;
                self.stream = Some(stream);
                Ok(())
            }
            Err(error) if is_pause(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn present(&mut self) -> io::Result<&mut TcpStream> {
        self.stream.as_mut().ok_or_else(|| io::Error::new(ErrorKind::NotConnected, "no host is connected"))
    }

    /// A broken connection is forgotten, so that the next host can come.
    fn settle<T>(&mut self, outcome: io::Result<T>) -> io::Result<T> {
        if outcome.is_err() {
            tracing::info!("disconnected");
            self.stream = None;
        }
        outcome
    }
}

impl ErrorType for SocketLink {
    type Error = io::Error;
}

impl ReadReady for SocketLink {
    fn read_ready(&mut self) -> io::Result<bool> {
        let ready = self.stream.as_ref().map(Self::peek).transpose();
        let ready = self.settle(ready)?;
        self.accept()?;
        if self.stream.is_none() {
            std::thread::sleep(WAIT);
        }
        Ok(ready.unwrap_or(false))
    }
}

impl Read for SocketLink {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.present().and_then(|stream| match io::Read::read(stream, bytes) {
            Ok(0) if !bytes.is_empty() => Err(io::Error::new(ErrorKind::UnexpectedEof, "the host has gone")),
            read => read,
        });
        self.settle(read)
    }
}

impl Write for SocketLink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Nobody hears what is said without a host: that is no error.
        let Some(stream) = &mut self.stream else { return Ok(bytes.len()) };
        let written = io::Write::write(stream, bytes);
        self.settle(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::io::Write as _;

    fn until<T>(mut done: impl FnMut() -> Option<T>) -> T {
        for _ in 0..1000 {
            if let Some(value) = done() {
                return value;
            }
        }
        panic!("it never happened");
    }

    #[test]
    fn one_host_at_a_time_and_the_next_when_it_has_gone() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let here = listener.local_addr().unwrap();
        let mut link = SocketLink::new(listener).unwrap();
        assert!(!link.read_ready().unwrap());
        assert_eq!(link.write(b"to nobody").unwrap(), 9);

        let mut first = TcpStream::connect(here).unwrap();
        first.write_all(b"a").unwrap();
        until(|| link.read_ready().unwrap().then_some(()));
        let mut second = TcpStream::connect(here).unwrap();
        until(|| link.read_ready().ok().filter(|_| second.peek(&mut [0]).is_ok()));
        assert_eq!(second.read(&mut [0]).unwrap_or(0), 0, "the second host is turned away");

        let mut byte = [0];
        assert_eq!(link.read(&mut byte).unwrap(), 1);
        link.write_all(&byte).unwrap();
        first.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"a");
        drop(first);
        until(|| link.read_ready().is_err().then_some(()));
        let mut third = TcpStream::connect(here).unwrap();
        third.write_all(b"c").unwrap();
        until(|| link.read_ready().unwrap().then_some(()));
    }
}
