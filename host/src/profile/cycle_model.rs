//! From instructions to cycles: an estimate, and never more than that.
//!
//! `cycles = instructions · (Σ share · cost) + waits · lines`, where the share is that of an instruction's class in the
//! inner loops of a kind of layer, the cost is the core's for that class, `waits` are the flash's wait states, and `lines`
//! are the lines of flash that hold the layer's constants, each read once for every block of positions. Left out: wait
//! states of instruction fetches (the loops fit what prefetches and caches hold), of RAM, interrupts, and stalls between
//! dependent instructions. The mixes are assumed from what the loops do, and no
//! chip was compared with: measure there, with `deja profile --device`.

use serde::Serialize;

use super::{Count, Profile};
use crate::simulator::machine::Board;

/// Bytes of flash that one access brings, on most microcontrollers.
const LINE_BYTES: u64 = 16;
/// Positions of the output for which the kernels read a layer's weights once.
const POSITIONS: u64 = 4;

/// What an instruction costs on a core, by class, in cycles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Core {
    /// Its name.
    pub name: &'static str,
    /// A load or a store.
    pub load: f64,
    /// A multiplication or a multiply-accumulate.
    pub multiply: f64,
    /// A taken branch.
    pub branch: f64,
    /// Any other.
    pub other: f64,
}

/// The cores of the emulated boards.
///
/// Cortex-M4: Arm DDI 0439, table 3-1 (loads take 2, in a row 1 each behind the first; a taken branch refills the pipeline).
/// Cortex-M33: the same, by Arm 100230, whose loads are pipelined alike. Cortex-M7 issues two instructions at once where it
/// can, Cortex-M55 takes two beats of 64 bits for a vector, of which a load and a multiplication overlap (Arm 102692);
/// for these two Arm publishes no table, and the numbers are assumed.
pub const CORES: [Core; 4] = [
    Core { name: "Cortex-M4", load: 1.5, multiply: 1.0, branch: 3.0, other: 1.0 },
    Core { name: "Cortex-M7", load: 0.7, multiply: 0.8, branch: 1.0, other: 0.6 },
    Core { name: "Cortex-M33", load: 1.5, multiply: 1.0, branch: 3.0, other: 1.0 },
    Core { name: "Cortex-M55", load: 1.5, multiply: 1.5, branch: 1.0, other: 1.0 },
];

/// The share of each class in a kind of layer's inner loop.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Mix {
    load: f64,
    multiply: f64,
    branch: f64,
}

impl Mix {
    /// Assumed from what the loops do: a matrix reuses what it loads, a depthwise filter less, other layers not at all.
    fn of(kind: &str) -> Self {
        match kind {
            "convolution" | "pointwise" | "pointwise_add" | "fully_connected" => {
                Self { load: 0.25, multiply: 0.5, branch: 0.01 }
            }
            "depthwise" => Self { load: 0.3, multiply: 0.3, branch: 0.02 },
            _ => Self { load: 0.3, multiply: 0.1, branch: 0.05 },
        }
    }

    fn cycles(self, core: &Core) -> f64 {
        let other = 1.0 - self.load - self.multiply - self.branch;
        self.load * core.load + self.multiply * core.multiply + self.branch * core.branch + other * core.other
    }
}

/// The chip to estimate for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Chip {
    /// Frequency of its core.
    pub megahertz: f64,
    /// Cycles that the core waits for a line of flash.
    pub wait_states: u32,
}

/// How long a picture might take. An estimate, not a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// For what.
    #[serde(flatten)]
    pub chip: Chip,
    /// Cycles for a picture.
    pub cycles: f64,
    /// The same in time.
    pub milliseconds: f64,
}

/// Estimates from a profile in instructions; `None` for one in anything else, or of a core that is not in [`CORES`].
pub fn estimate(profile: &Profile, board: &Board, chip: Chip) -> Option<Estimate> {
    let core = CORES.iter().find(|core| core.name == board.core)?;
    let Count::Instructions(outside) = profile.outside_layers else { return None };
    let waits = f64::from(chip.wait_states);
    let layer = |layer: &super::LayerProfile| {
        let [height, width, _] = layer.output.map(u64::from);
        let blocks = (height * width).div_ceil(POSITIONS);
        let lines = u64::from(layer.flash_bytes).div_ceil(LINE_BYTES) * blocks;
        layer.count.number() as f64 * Mix::of(layer.kind).cycles(core) + waits * lines as f64
    };
    let cycles = profile.layers.iter().map(layer).sum::<f64>() + outside as f64 * Mix::of("").cycles(core);
    Some(Estimate { chip, cycles, milliseconds: cycles / chip.megahertz / 1e3 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::LayerProfile;
    use crate::simulator::machine::BOARDS;

    fn profile() -> Profile {
        let layer = LayerProfile {
            name: "pointwise_0".into(),
            kind: "pointwise",
            output: [4, 2, 8],
            macs: 1000,
            count: Count::Instructions(1000),
            arena_bytes: 0,
            flash_bytes: 160,
            stack_bytes: 0,
        };
        Profile {
            network: String::new(),
            board: "mps2-an386".into(),
            layers: vec![layer],
            macs: 1000,
            count: Count::Instructions(1000),
            outside_layers: Count::Instructions(0),
            arena_bytes: 0,
            flash_bytes: 0,
            stack_bytes: 0,
        }
    }

    #[test]
    fn cycles_follow_the_formula() {
        let chip = Chip { megahertz: 100.0, wait_states: 0 };
        let fast = estimate(&profile(), &BOARDS[0], chip).unwrap();
        assert!((fast.cycles - 1000.0 * (0.25 * 1.5 + 0.5 + 0.01 * 3.0 + 0.24)).abs() < 1e-6);
        assert!((fast.milliseconds - fast.cycles / 1e5).abs() < 1e-12);
        // Ten lines for each of two blocks of four positions.
        let slow = estimate(&profile(), &BOARDS[0], Chip { wait_states: 5, ..chip }).unwrap();
        assert!((slow.cycles - fast.cycles - 5.0 * 20.0).abs() < 1e-6);
    }

    #[test]
    fn every_board_has_a_core() {
        for board in &BOARDS {
            assert!(estimate(&profile(), board, Chip { megahertz: 1.0, wait_states: 0 }).is_some(), "{}", board.name);
        }
    }

    #[test]
    fn only_instructions_can_be_turned_into_cycles() {
        let measured = Profile { outside_layers: Count::Cycles(0), ..profile() };
        assert_eq!(estimate(&measured, &BOARDS[0], Chip { megahertz: 1.0, wait_states: 0 }), None);
    }
}
