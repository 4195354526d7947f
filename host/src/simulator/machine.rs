//! The boards that QEMU emulates: how their firmware is compiled, and how much memory each has.

/// Length of the flash that keeps models and gallery, the same on every board.
pub const STORE_BYTES: usize = 1792 << 10;

/// Bytes of one of the two snapshots of gallery and settings in it ([`deja_firmware::board::Board::SNAPSHOT_BYTES`]).
pub const SNAPSHOT_BYTES: u32 = 72 << 10;

/// Every board, one for each kind of processor.
pub static BOARDS: [Board; 4] = [
    Board { name: "mps2-an386", core: "Cortex-M4", target: V7, target_cpu: None, memory_bytes: 16 << 20 },
    Board { name: "mps2-an500", core: "Cortex-M7", target: V7, target_cpu: None, memory_bytes: 16 << 20 },
    Board {
        name: "mps2-an505",
        core: "Cortex-M33",
        target: V8,
        target_cpu: Some("cortex-m33"),
        memory_bytes: 16 << 20,
    },
    Board { name: "mps3-an547", core: "Cortex-M55", target: V8, target_cpu: Some("cortex-m55"), memory_bytes: 2 << 30 },
];

const V7: &str = "thumbv7em-none-eabihf";
const V8: &str = "thumbv8m.main-none-eabihf";

/// How a board is built and emulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Board {
    /// Its name on the command line; the emulator's machine has the same.
    pub name: &'static str,
    /// Its processor.
    pub core: &'static str,
    /// What its firmware is compiled for.
    pub target: &'static str,
    /// The processor to compile for, where it has instructions that the target alone does not promise.
    pub target_cpu: Option<&'static str>,
    /// Length of the memory that the emulator maps the flash's file to: it takes all of the machine's memory and no less.
    memory_bytes: u64,
}

impl Board {
    /// The package of its firmware.
    pub fn package(&self) -> String {
        format!("deja-board-{}", self.name)
    }

    /// Length of the file that holds the flash: it stands for all of the machine's memory, of which the flash is the first
    /// [`STORE_BYTES`].
    pub fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }
}

/// The board of this name.
pub fn board(name: &str) -> Option<&'static Board> {
    BOARDS.iter().find(|board| board.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn every_boards_folder_is_known() {
        let folders = Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware/boards");
        let folders = std::fs::read_dir(folders).unwrap().map(|entry| entry.unwrap().path());
        let boards = folders.filter(|folder| folder.join("memory.x").exists());
        let found: BTreeSet<String> =
            boards.map(|folder| folder.file_name().unwrap().to_string_lossy().into_owned()).collect();
        assert_eq!(found, BOARDS.iter().map(|board| board.name.to_owned()).collect());
    }
}
