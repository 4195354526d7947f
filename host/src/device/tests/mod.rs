//! The client against the firmware itself: whole sessions, and links that fail.

mod damaged_link;
mod misfits;
mod parity;
mod session;

use super::{Client, Connector, FaultInjector, Faults, Patience, transport::Tcp};
use crate::network::by_name;
use crate::progress::Silent;
use crate::quantize::{AlignedBytes, Settings, quantize, threshold::Threshold};
use crate::simulator::Simulator;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

/// Rows and columns of the test models' pictures.
const SIZE: [usize; 2] = [32, 32];

/// A link on which nothing is lost is answered at once; a lossy one shall not make the tests slow.
const PATIENCE: Patience = Patience {
    quick: Duration::from_millis(60),
    slow: Duration::from_secs(2),
    tries: 10,
    reconnect: Duration::from_secs(2),
};

/// A small network with random weights, quantized; `seed` 1 or 2.
fn model(seed: u64) -> &'static AlignedBytes {
    static MODELS: [OnceLock<AlignedBytes>; 2] = [const { OnceLock::new() }; 2];
    MODELS[seed as usize - 1].get_or_init(|| {
        let graph = by_name("mobilenet_v2_0.25", SIZE, 16, seed).unwrap();
        let pictures: Vec<u8> = (0..16).flat_map(picture).collect();
        let mut quantized = quantize(&graph, &pictures, &Settings::default(), &Silent).unwrap();
        quantized.set_threshold(&Threshold { q15: 32_000, fpir_ppm: 10_000, gallery_identities: 4 }).unwrap();
        quantized.bytes
    })
}

/// A picture unlike those of other numbers.
fn picture(number: usize) -> Vec<u8> {
    let wave = |x: usize, y: usize, c: usize| {
        ((x * (number + 1) + y * (7 - number % 7)) as f32 / 5.0 + (c * number) as f32).sin()
    };
    let pixel = |index: usize| {
        let (position, c) = (index / 3, index % 3);
        (127.0 + 120.0 * wave(position % SIZE[1], position / SIZE[1], c)) as u8
    };
    (0..SIZE[0] * SIZE[1] * 3).map(pixel).collect()
}

fn simulator() -> Simulator {
    Simulator::start(&crate::simulator::Settings::default()).unwrap()
}

fn connect(simulator: &Simulator) -> Client {
    Client::over(plain(simulator.address()), "the simulator", PATIENCE).unwrap()
}

fn plain(address: SocketAddr) -> Connector {
    Box::new(move || Ok(Box::new(Tcp::connect(&address.ip().to_string(), address.port())?)))
}

/// Every connection has the same faults, at other places.
fn faulty(address: SocketAddr, faults: Faults) -> Connector {
    let mut seed = 0;
    Box::new(move || {
        seed += 1;
        let pipe = Tcp::connect(&address.ip().to_string(), address.port())?;
        Ok(Box::new(FaultInjector::new(pipe, faults, seed)))
    })
}
