//! Byte pipes to a camera.

use super::Address;
use crate::simulator::{Settings, Simulator};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// How long to wait for a network connection.
const CONNECT: Duration = Duration::from_secs(3);
/// A serial line sends one chunk in less, at any usual rate.
const SEND: Duration = Duration::from_secs(10);

/// A pipe that carries bytes both ways, and may lose or damage some.
pub trait Transport: Send {
    /// Sends all `bytes`.
    ///
    /// # Errors
    /// When the pipe is broken.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Waits at most `wait` for bytes, and gives how many of `buffer` were filled: 0 when none came in time.
    ///
    /// # Errors
    /// When the pipe is broken or closed.
    fn receive(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<usize>;
}

/// Opens a pipe, and opens it again after it broke.
pub type Connector = Box<dyn FnMut() -> io::Result<Box<dyn Transport>> + Send>;

/// The way to open pipes to `address`. For `sim:` this starts the camera; it lives as long as the connector.
///
/// # Errors
/// When the simulated camera cannot start.
pub fn connector(address: &Address) -> io::Result<Connector> {
    Ok(match address.clone() {
        Address::Tcp { host, port } => Box::new(move || Ok(Box::new(Tcp::connect(&host, port)?))),
        Address::Serial { device, baud } => Box::new(move || Ok(Box::new(Serial::open(&device, baud)?))),
        Address::Sim { flash } => {
            let simulator = Simulator::start(&Settings { flash, ..Settings::default() })?;
            let here = simulator.address();
            Box::new(move || {
                // Moves the simulator in here, so that it lives as long as this function.
                let _ = &simulator;
                Ok(Box::new(Tcp::connect(&here.ip().to_string(), here.port())?))
            })
        }
    })
}

/// A pipe over the network.
#[derive(Debug)]
pub struct Tcp(TcpStream);

impl Tcp {
    /// Connects to the first address of `host` that answers.
    ///
    /// # Errors
    /// When none does.
    pub fn connect(host: &str, port: u16) -> io::Result<Self> {
        let mut last = io::Error::new(ErrorKind::NotFound, "this name has no address");
        for address in (host, port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    stream.set_write_timeout(Some(SEND))?;
                    return Ok(Self(stream));
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl Transport for Tcp {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn receive(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<usize> {
        // A timeout of zero would mean none at all.
        self.0.set_read_timeout(Some(wait.max(Duration::from_millis(1))))?;
        match self.0.read(buffer) {
            Ok(0) => Err(io::Error::new(ErrorKind::UnexpectedEof, "the camera closed the connection")),
            read => nothing_yet(read),
        }
    }
}

/// A pipe over a serial line: 8 data bits, no parity, 1 stop bit.
pub struct Serial(Box<dyn serialport::SerialPort>);

impl Serial {
    /// Opens the line.
    ///
    /// # Errors
    /// When it does not exist, is in use, or may not be used.
    pub fn open(device: &str, baud: u32) -> io::Result<Self> {
        let line = serialport::new(device, baud).timeout(SEND).open().map_err(io::Error::from)?;
        Ok(Self(line))
    }
}

impl Transport for Serial {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.set_timeout(SEND)?;
        self.0.write_all(bytes)?;
        self.0.flush()
    }

    fn receive(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<usize> {
        self.0.set_timeout(wait)?;
        nothing_yet(self.0.read(buffer))
    }
}

/// A wait that ran out is not an error.
fn nothing_yet(read: io::Result<usize>) -> io::Result<usize> {
    match read {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {
            Ok(0)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn silence_is_no_error_and_a_closed_connection_is_one() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut pipe = Tcp::connect("127.0.0.1", listener.local_addr().unwrap().port()).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        let mut buffer = [0; 8];
        assert_eq!(pipe.receive(&mut buffer, Duration::ZERO).unwrap(), 0);
        peer.write_all(b"deja").unwrap();
        assert_eq!(pipe.receive(&mut buffer, Duration::from_secs(5)).unwrap(), 4);
        pipe.send(b"vu").unwrap();
        let mut heard = [0; 2];
        peer.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"vu");
        drop(peer);
        let error = pipe.receive(&mut buffer, Duration::from_secs(5)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_line_that_does_not_exist_is_an_error() {
        assert!(Serial::open("/dev/there-is-no-such-line", 115_200).is_err());
    }
}
