//! Talking to a camera: where it is, the pipe to it, and the typed client.
//!
//! * [`Address`] names it, [`transport`] opens a pipe to it; [`FaultInjector`] is a pipe that damages what it carries;
//! * [`Client`] asks: [`Client::call`] any endpoint of the protocol's table, and a method for each thing people do;
//! * [`GalleryFile`] is a gallery outside a camera.
//!
//! Nothing here draws or prints, and nothing here knows what a camera computes.

mod address;
mod client;
mod conversation;
mod error;
mod fault_injector;
mod gallery;
mod parity;
mod probe;
mod transfer;
pub mod transport;

pub use address::{Address, AddressError, DEFAULT_BAUD, FORMS};
pub use client::{Client, cosine, name};
pub use conversation::Patience;
pub use error::{ClientError, short};
pub use fault_injector::{FaultInjector, Faults};
pub use gallery::{GalleryFile, Template};
pub use probe::{ProbeError, flash_firmware};
pub use transport::{Connector, Transport, connector};

#[cfg(test)]
mod tests;
