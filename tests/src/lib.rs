//! What the tests across the packages share.

pub mod tiny_model;
