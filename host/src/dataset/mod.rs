//! Where pictures come from: one file per layout on disk, and a synthetic renderer.
