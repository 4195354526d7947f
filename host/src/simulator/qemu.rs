//! A camera on an emulated board: builds the board's firmware and runs it in QEMU, its link on a socket and its flash in
//! a file.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::machine::{Board, STORE_BYTES};

const EMULATOR: &str = "qemu-system-arm";
/// What an instruction takes where instructions are counted: 2⁵ ns (`-icount shift=5`).
pub const INSTRUCTION_NANOSECONDS: u64 = 1 << 5;
/// How long the emulator may take until its link listens.
const START: Duration = Duration::from_secs(10);
/// Erased flash is written to a new file in pieces of this size.
const PIECE: usize = 64 << 10;

/// Why there is no emulated board.
#[derive(Debug, thiserror::Error)]
pub enum QemuError {
    /// No program that emulates it.
    #[error("{EMULATOR} is not installed; on Debian and Ubuntu: apt install qemu-system-arm")]
    NoEmulator,
    /// No compiler target for the board.
    #[error(
        "the compiler lacks the target {target}; add it with `rustup target add {target}`, or on Debian, without rustup's \
         server, with `apt install rustc-web cargo-web rust-web-src`"
    )]
    NoTarget {
        /// Its name.
        target: &'static str,
    },
    /// The firmware's source is not where this program was built.
    #[error("the firmware's source is not at {0}; run deja from a checkout of its repository")]
    NoSource(PathBuf),
    /// The firmware does not compile.
    #[error("building {package} failed:\n{output}")]
    Build {
        /// The board's package.
        package: String,
        /// What cargo said.
        output: String,
    },
    /// A program could not be run.
    #[error("{program} could not be run: {error}")]
    Run {
        /// Which one.
        program: &'static str,
        /// Why.
        error: io::Error,
    },
    /// The file that holds the flash.
    #[error("the flash file {path}: {error}")]
    Flash {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The emulator ended or never listened.
    #[error("{EMULATOR} did not start the camera: {0}")]
    Start(String),
}

/// A running emulator; ends with this value.
#[derive(Debug)]
pub struct Qemu {
    child: Child,
    address: SocketAddr,
}

impl Qemu {
    /// Starts `firmware` (an ELF file) on the emulated board, with its store in the file `flash`, which is made where it
    /// does not exist.
    ///
    /// # Errors
    /// [`QemuError`] says what is missing.
    pub fn start(board: &Board, firmware: &Path, flash: &Path) -> Result<Self, QemuError> {
        Self::launch(board, firmware, flash, &[])
    }

    /// The same, in a virtual time in which every instruction takes [`INSTRUCTION_NANOSECONDS`].
    ///
    /// # Errors
    /// [`QemuError`] says what is missing.
    pub fn start_counting(board: &Board, firmware: &Path, flash: &Path) -> Result<Self, QemuError> {
        Self::launch(board, firmware, flash, &["-icount", "shift=5,sleep=off"])
    }

    fn launch(board: &Board, firmware: &Path, flash: &Path, time: &[&str]) -> Result<Self, QemuError> {
        prepare_flash(board, flash).map_err(|error| QemuError::Flash { path: flash.to_path_buf(), error })?;
        let address = free_address().map_err(|error| QemuError::Start(error.to_string()))?;
        let mut emulator = Command::new(EMULATOR);
        emulator.arg("-machine").arg(format!("{},memory-backend=store", board.name));
        emulator.arg("-object").arg(memory(board, flash));
        emulator.arg("-chardev").arg(format!(
            "socket,id=link,host={},port={},server=on,wait=off,nodelay=on",
            address.ip(),
            address.port()
        ));
        emulator.args(["-serial", "chardev:link", "-display", "none", "-monitor", "none", "-nic", "none"]);
        emulator.args(time).args(["-semihosting-config", "enable=on,target=native"]).arg("-kernel").arg(firmware);
        emulator.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = emulator.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => QemuError::NoEmulator,
            _ => QemuError::Run { program: EMULATOR, error },
        })?;
        let mut qemu = Self { child, address };
        qemu.wait_until_it_listens()?;
        Ok(qemu)
    }

    /// Where the board's UART can be reached by TCP: the bytes of the link, one host at a time.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    fn wait_until_it_listens(&mut self) -> Result<(), QemuError> {
        let begin = Instant::now();
        while begin.elapsed() < START {
            if TcpStream::connect(self.address).is_ok() {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                let mut said = String::new();
                if let Some(mut stderr) = self.child.stderr.take() {
                    let _ = stderr.read_to_string(&mut said);
                }
                return Err(QemuError::Start(format!("{status}: {}", said.trim_end())));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(QemuError::Start(format!("nothing listens at {} after {} s", self.address, START.as_secs())))
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A comma in a path is doubled in the emulator's options.
fn memory(board: &Board, flash: &Path) -> String {
    let path = flash.display().to_string().replace(',', ",,");
    format!("memory-backend-file,id=store,size={},mem-path={path},share=on", board.memory_bytes())
}

/// Makes a file of erased flash, unless there is a file of the right length.
fn prepare_flash(board: &Board, path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    match file.metadata()?.len() {
        0 => {
            let erased = [0xff; PIECE];
            (0..STORE_BYTES / PIECE).try_for_each(|_| file.write_all(&erased))?;
            // The rest of the emulated memory is not used, and takes no room in most file systems.
            file.set_len(board.memory_bytes())
        }
        length if length == board.memory_bytes() => Ok(()),
        length => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("is {length} bytes long, but the flash of {} has {}", board.name, board.memory_bytes()),
        )),
    }
}

/// A port on this computer that nobody uses.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::machine::BOARDS;

    #[test]
    fn a_new_flash_is_erased_and_an_old_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flash");
        prepare_flash(&BOARDS[0], &path).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len(), 16 << 20);
        assert!(bytes[..1792 << 10].iter().all(|&byte| byte == 0xff));
        bytes[5] = 0;
        std::fs::write(&path, &bytes).unwrap();
        prepare_flash(&BOARDS[0], &path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap()[5], 0);
        std::fs::write(&path, [0; 100]).unwrap();
        assert!(prepare_flash(&BOARDS[0], &path).is_err());
    }
}
