//! What stays after a run: one HTML page with its charts and pictures inside, which opens anywhere and needs no server.
//!
//! [`page`] is the page; [`chart`], [`picture`], [`rank_list`], [`embedding_map`] and [`thumbnail_map`] make what stands on
//! it, and [`tsne()`] arranges the latter. Nothing here computes a metric, and nothing here knows where the numbers come from.

pub mod chart;
pub mod embedding_map;
pub mod page;
pub mod picture;
pub mod rank_list;
pub mod thumbnail_map;
pub mod tsne;

pub use page::Page;
pub use tsne::tsne;
