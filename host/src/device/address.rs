//! Where a camera is: `tcp:HOST:PORT`, `serial:/dev/…[:BAUD]` or `sim:[FLASH]`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// The forms of an address, for help texts and errors.
pub const FORMS: &str = "  tcp:HOST:PORT            a camera on the network, or `deja simulate`: tcp:127.0.0.1:7700
  serial:DEVICE[:BAUD]     a camera on a serial line: serial:/dev/ttyACM0 or serial:/dev/ttyUSB0:921600
  sim:[FLASH]              a simulated camera for this one command; FLASH is the file that it remembers in";

/// Bits per second of a serial line where the address names none.
pub const DEFAULT_BAUD: u32 = 115_200;

/// Where a camera is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// On the network.
    Tcp {
        /// Name or number of the machine; IPv6 without its brackets.
        host: String,
        /// Port.
        port: u16,
    },
    /// On a serial line.
    Serial {
        /// The line's device file.
        device: String,
        /// Bits per second.
        baud: u32,
    },
    /// On this computer, for as long as the client lives.
    Sim {
        /// Where its flash is kept; without it, it forgets everything.
        flash: Option<PathBuf>,
    },
}

/// Why a text is no [`Address`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It begins with none of the known words.
    #[error("`{0}` is no address of a camera; it is one of:\n{FORMS}")]
    Form(String),
    /// Host or port is missing or wrong.
    #[error("`{0}` lacks a host and a port from 1 to 65535; write for example tcp:192.168.1.20:7700")]
    Tcp(String),
    /// No device.
    #[error("`{0}` lacks the serial line's device; write for example serial:/dev/ttyACM0")]
    Serial(String),
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match text.split_once(':') {
            Some(("tcp", rest)) => tcp(rest).ok_or_else(|| AddressError::Tcp(text.to_owned())),
            Some(("serial", rest)) => serial(rest).ok_or_else(|| AddressError::Serial(text.to_owned())),
            Some(("sim", "")) => Ok(Self::Sim { flash: None }),
            Some(("sim", flash)) => Ok(Self::Sim { flash: Some(flash.into()) }),
            _ => Err(AddressError::Form(text.to_owned())),
        }
    }
}

impl From<SocketAddr> for Address {
    /// A camera that listens on all of this computer's addresses is reached at the local one.
    fn from(address: SocketAddr) -> Self {
        let host = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.to_string(),
            ip => ip.to_string(),
        };
        Self::Tcp { host, port: address.port() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "tcp:[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "tcp:{host}:{port}"),
            Self::Serial { device, baud } => write!(f, "serial:{device}:{baud}"),
            Self::Sim { flash: None } => f.write_str("sim:"),
            Self::Sim { flash: Some(path) } => write!(f, "sim:{}", path.display()),
        }
    }
}

fn tcp(rest: &str) -> Option<Address> {
    let (host, port) = rest.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port = port.parse().ok().filter(|&port| port != 0)?;
    (!host.is_empty()).then(|| Address::Tcp { host: host.to_owned(), port })
}

/// What follows the last colon is a rate only if it is a number: device names may hold colons.
fn serial(rest: &str) -> Option<Address> {
    let rated = rest.rsplit_once(':').and_then(|(device, baud)| Some((device, baud.parse().ok()?)));
    let (device, baud) = rated.unwrap_or((rest, DEFAULT_BAUD));
    (!device.is_empty() && baud > 0).then(|| Address::Serial { device: device.to_owned(), baud })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serial(device: &str, baud: u32) -> Address {
        Address::Serial { device: device.to_owned(), baud }
    }

    #[test]
    fn every_form_is_read_and_written_back() {
        for (text, address) in [
            ("tcp:camera.local:7700", Address::Tcp { host: "camera.local".to_owned(), port: 7700 }),
            ("tcp:[::1]:80", Address::Tcp { host: "::1".to_owned(), port: 80 }),
            ("serial:/dev/ttyACM0:115200", serial("/dev/ttyACM0", DEFAULT_BAUD)),
            ("serial:/dev/by-path/pci-0:1:921600", serial("/dev/by-path/pci-0:1", 921_600)),
            ("sim:", Address::Sim { flash: None }),
            ("sim:a.flash", Address::Sim { flash: Some("a.flash".into()) }),
        ] {
            assert_eq!(text.parse(), Ok(address.clone()));
            assert_eq!(address.to_string(), text);
        }
        assert_eq!("serial:/dev/ttyUSB1".parse(), Ok(serial("/dev/ttyUSB1", DEFAULT_BAUD)));
        assert_eq!("serial:COM3".parse(), Ok(serial("COM3", DEFAULT_BAUD)));
    }

    #[test]
    fn a_listener_is_reached_at_a_real_address() {
        for (listener, address) in [
            ("0.0.0.0:7700", "tcp:127.0.0.1:7700"),
            ("[::]:7700", "tcp:[::1]:7700"),
            ("10.0.0.2:80", "tcp:10.0.0.2:80"),
        ] {
            assert_eq!(Address::from(listener.parse::<SocketAddr>().unwrap()).to_string(), address);
        }
    }

    #[test]
    fn errors_say_what_an_address_looks_like() {
        for text in ["", "192.168.1.20:7700", "usb:0", "sim", "/dev/ttyACM0"] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains("tcp:HOST:PORT") && error.contains("serial:") && error.contains("sim:"), "{error}");
        }
        for text in ["tcp:", "tcp:host", "tcp:host:", "tcp:host:0", "tcp:host:70000", "tcp::7700", "tcp:host:seven"] {
            assert_eq!(text.parse::<Address>(), Err(AddressError::Tcp(text.to_owned())));
        }
        for text in ["serial:", "serial:/dev/tty:0", "serial::9600"] {
            assert_eq!(text.parse::<Address>(), Err(AddressError::Serial(text.to_owned())));
        }
    }
}
