//! What a board fills in: one small trait for each thing outside the camera's own memory.
//!
//! A board names its parts in [`Board`], builds them as [`Parts`], hands out its big buffers and calls
//! [`Camera::poll`](crate::camera::Camera::poll) for ever. [`memory`] is an ordinary flash in RAM, for tests; a board without a camera chip borrows [`NoSensor`] and a board without a lamp [`NoIndicator`].

pub mod memory;

use embedded_hal::digital::OutputPin;
use embedded_storage::nor_flash::NorFlash;

/// The kinds of parts that make up a board, and the sizes that are its own choice.
pub trait Board {
    /// The board's name, at most [`MAX_NAME`](deja_shared::protocol::MAX_NAME) bytes.
    const NAME: &'static str;
    /// Bytes of one of the two snapshots of gallery and settings in flash: a multiple of the erase size. The models share
    /// what remains.
    const SNAPSHOT_BYTES: u32;
    /// The byte pipe to the host.
    type Link: Link;
    /// Where models and gallery are kept.
    type Flash: Flash;
    /// The time.
    type Clock: Clock;
    /// What a person sees.
    type Indicator: Indicator;
    /// Where pictures come from.
    type Sensor: Sensor;

    /// Marks the part of the stack that is not in use, for [`Board::stack_bytes`]. Does nothing on a board that cannot.
    fn mark_stack() {}

    /// How deep the stack was at its deepest since it was marked, in bytes; 0 on a board that does not know.
    fn stack_bytes() -> u32 {
        0
    }
}

/// The parts of a board, each on its own, so that a model may be read from flash while the clock runs.
pub struct Parts<B: Board> {
    /// The byte pipe to the host.
    pub link: B::Link,
    /// Where models and gallery are kept.
    pub flash: B::Flash,
    /// The time.
    pub clock: B::Clock,
    /// What a person sees.
    pub indicator: B::Indicator,
    /// Where pictures come from.
    pub sensor: B::Sensor,
}

/// A byte pipe. `read` is only called when `read_ready` says yes, so it need not wait; `write` may wait.
///
/// An error means that the other side is gone; the camera hands it to the board's main loop.
pub trait Link: embedded_io::Read + embedded_io::ReadReady + embedded_io::Write {}

impl<T: embedded_io::Read + embedded_io::ReadReady + embedded_io::Write> Link for T {}

/// NOR flash (erasing sets bits, writing clears them) that is also visible as memory, so that models are used in place.
///
/// The write size must divide 16 and the erase size must be a multiple of 16.
pub trait Flash: NorFlash {
    /// The whole flash; its start is aligned to [`ALIGNMENT`](deja_shared::model::ALIGNMENT).
    fn mapped(&self) -> &[u8];
}

/// Time since the start.
pub trait Clock {
    /// Whether the [`Clock::ticks`] are cycles of the processor.
    const TICKS_ARE_CYCLES: bool = false;

    /// Microseconds since the start; never goes back.
    fn micros(&mut self) -> u64;

    /// The finest time there is, since the start; never goes back.
    fn ticks(&mut self) -> u64 {
        self.micros()
    }

    /// How many ticks a second has.
    fn ticks_per_second(&self) -> u32 {
        1_000_000
    }
}

/// What a person should see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Nothing to say.
    Idle,
    /// A picture is being looked at, or flash is written.
    Busy,
    /// The last picture shows somebody known.
    Known,
    /// The last picture shows nobody known.
    Unknown,
}

/// Lamps, a display, a buzzer.
pub trait Indicator {
    /// Shows `sign` until the next one.
    fn show(&mut self, sign: Sign);
}

/// A board without any lamp.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoIndicator;

impl Indicator for NoIndicator {
    fn show(&mut self, _: Sign) {}
}

/// Two lamps on output pins: `known` and `unknown`; both are lit while the camera is busy.
#[derive(Debug)]
pub struct Lamps<K, U> {
    /// Lit for somebody known.
    pub known: K,
    /// Lit for nobody known.
    pub unknown: U,
}

impl<K: OutputPin, U: OutputPin> Indicator for Lamps<K, U> {
    fn show(&mut self, sign: Sign) {
        // A lamp that fails must not stop a camera from seeing.
        let _ = self.known.set_state(matches!(sign, Sign::Known | Sign::Busy).into());
        let _ = self.unknown.set_state(matches!(sign, Sign::Unknown | Sign::Busy).into());
    }
}

/// Rows and columns of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureSize {
    /// Rows.
    pub height: u16,
    /// Columns.
    pub width: u16,
}

impl PictureSize {
    /// Length in bytes: rows × columns × 3.
    pub fn bytes(self) -> u32 {
        // Greater than any memory where it saturates, so the picture is refused all the same.
        (u32::from(self.height) * u32::from(self.width)).saturating_mul(3)
    }

    /// Height and width, as [`image`](crate::image) wants them.
    pub fn sides(self) -> [usize; 2] {
        [self.height.into(), self.width.into()]
    }
}

/// A camera chip, with whatever lens and illumination it needs.
pub trait Sensor {
    /// Puts the next picture into `pixels` as RGB bytes, row after row; `None` while there is none.
    fn capture(&mut self, pixels: &mut [u8]) -> Option<PictureSize>;
}

/// A board without a camera chip: pictures come over the link only.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSensor;

impl Sensor for NoSensor {
    fn capture(&mut self, _: &mut [u8]) -> Option<PictureSize> {
        None
    }
}
