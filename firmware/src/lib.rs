//! What a camera does: embed a picture, compare it with the templates it keeps, say who it sees.
//!
//! * [`board`]: what a board fills in,
//! * [`image`]: crop and resize,
//! * [`kernels`]: the operators of a network in integers,
//! * [`embedder`]: a picture and a model → an embedding,
//! * [`gallery`]: who is enrolled, with which templates,
//! * [`matching`]: an embedding and a gallery → a decision,
//! * [`store`]: what stays without power,
//! * [`recognizer`]: all of that together: take a model and a picture, enroll, identify,
//! * [`commands`]: request → response, * [`camera`]: the whole, to be polled for ever.
//!
//! The crate allocates nothing and knows no board and no operating system: the simulator and the host's evaluation run
//! the very same code natively.
#![no_std]
#![cfg_attr(not(target_arch = "arm"), forbid(unsafe_code))]
#![deny(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod board;
pub mod camera;
pub mod commands;
pub mod embedder;
pub mod gallery;
pub mod image;
pub mod kernels;
pub mod matching;
pub mod recognizer;
pub mod store;
