//! NEON with the dot product extension (Armv8.2).

use super::instantiate;
use super::lanes::ByteLanes;
use super::neon::Neon;

instantiate! { "dotprod", Neon<true>, "neon,dotprod" }
