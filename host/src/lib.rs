//! The host side of Déjà: everything that needs a computer.
//!
//! Build: `dataset → sampler → augment → network → mining → loss → checkpoint → fold_batch_norm → calibrate → lower →
//! plan_arena → emit → model.deja → flash`. One folder a step, named after it; `cmd/<verb>.rs` are the only callers of
//! `ui`. The arithmetic of the int8 model is not here: the host runs the camera's own code (`deja_firmware`).

pub mod augment;
pub mod cmd;
pub mod compute;
pub mod dataset;
pub mod demo;
pub mod device;
pub mod evaluation;
pub mod hexadecimal;
pub mod import;
pub mod loss;
pub mod mining;
pub mod network;
pub mod profile;
pub mod progress;
pub mod projection;
pub mod quantize;
pub mod report;
pub mod sampler;
pub mod simulator;
pub mod training;
pub mod ui;
