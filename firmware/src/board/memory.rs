//! Flash in RAM, with the semantics of NOR cells and a power that can be cut.

use bytemuck::{Pod, Zeroable};
use deja_shared::model::ALIGNMENT;
use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};

use super::Flash;

/// Memory with the alignment that a model needs: what arenas and flash in RAM are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, align(16))]
pub struct Line([u8; ALIGNMENT]);

impl Line {
    /// Sixteen zeros.
    pub const ZERO: Self = Self([0; ALIGNMENT]);
    /// Sixteen erased bytes of flash.
    pub const ERASED: Self = Self([0xff; ALIGNMENT]);
}

impl From<[u8; ALIGNMENT]> for Line {
    fn from(bytes: [u8; ALIGNMENT]) -> Self {
        Self(bytes)
    }
}

/// Where the power fails, and what that leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PowerCut {
    /// How many words are still written and pages still erased; the next one is torn.
    pub operations: u32,
    /// What becomes of the word or the page that is being changed.
    pub remains: Remains,
}

/// What a torn operation leaves in its word or its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remains {
    /// What stood there before.
    Before,
    /// What should have come to stand there, although success was never reported.
    After,
    /// For each byte, at random, what stood there before or what should have come.
    Mixture(u32),
    /// Anything.
    Garbage(u32),
}

/// Flash in RAM over `[Line]`s that are owned or borrowed: writing clears bits a word at a time, erasing sets a page.
#[derive(Debug, Clone)]
pub struct MemoryFlash<M> {
    lines: M,
    cut: Option<PowerCut>,
    operations: u32,
}

/// The flash refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryFlashError {
    /// Outside, or not on a border of words or pages.
    Place(NorFlashErrorKind),
    /// The power is gone.
    Power,
}

impl NorFlashError for MemoryFlashError {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::Place(kind) => *kind,
            Self::Power => NorFlashErrorKind::Other,
        }
    }
}

const WORD: usize = 4;
const PAGE: usize = 4096;

impl<M: AsRef<[Line]> + AsMut<[Line]>> MemoryFlash<M> {
    /// Flash over `lines` as they are; [`Line::ERASED`] everywhere for a new one.
    pub const fn new(lines: M) -> Self {
        Self { lines, cut: None, operations: 0 }
    }

    /// Lets the power fail, or (`None`) brings it back.
    pub fn set_power_cut(&mut self, cut: Option<PowerCut>) {
        self.cut = cut;
    }

    /// Words written and pages erased so far.
    pub fn operations(&self) -> u32 {
        self.operations
    }

    fn cells(&mut self) -> &mut [u8] {
        bytemuck::cast_slice_mut(self.lines.as_mut())
    }

    /// Changes one word or page to what `after` makes of it, unless the power fails.
    fn change(&mut self, start: usize, length: usize, after: impl Fn(usize, u8) -> u8) -> Result<(), MemoryFlashError> {
        let remains = match &mut self.cut {
            Some(PowerCut { operations: 0, remains }) => Some(core::mem::replace(remains, Remains::Before)),
            Some(cut) => {
                cut.operations -= 1;
                None
            }
            None => None,
        };
        self.operations += 1;
        let mut random = Random::of(remains);
        for (place, cell) in self.cells()[start..start + length].iter_mut().enumerate() {
            let new = after(place, *cell);
            *cell = match remains {
                None | Some(Remains::After) => new,
                Some(Remains::Before) => *cell,
                Some(Remains::Mixture(_)) if random.next() & 1 == 0 => *cell,
                Some(Remains::Mixture(_)) => new,
                Some(Remains::Garbage(_)) => random.next(),
            };
        }
        if remains.is_some() { Err(MemoryFlashError::Power) } else { Ok(()) }
    }
}

/// Xorshift, for garbage that can be repeated.
struct Random(u32);

impl Random {
    fn of(remains: Option<Remains>) -> Self {
        match remains {
            Some(Remains::Mixture(seed) | Remains::Garbage(seed)) => Self(seed | 1),
            _ => Self(1),
        }
    }

    fn next(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0.to_le_bytes()[1]
    }
}

impl<M> ErrorType for MemoryFlash<M> {
    type Error = MemoryFlashError;
}

impl<M: AsRef<[Line]> + AsMut<[Line]>> ReadNorFlash for MemoryFlash<M> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), MemoryFlashError> {
        check_read(self, offset, bytes.len()).map_err(MemoryFlashError::Place)?;
        bytes.copy_from_slice(&self.mapped()[offset as usize..][..bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.mapped().len()
    }
}

impl<M: AsRef<[Line]> + AsMut<[Line]>> NorFlash for MemoryFlash<M> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), MemoryFlashError> {
        check_erase(self, from, to).map_err(MemoryFlashError::Place)?;
        (from as usize..to as usize).step_by(PAGE).try_for_each(|page| self.change(page, PAGE, |_, _| 0xff))
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), MemoryFlashError> {
        check_write(self, offset, bytes.len()).map_err(MemoryFlashError::Place)?;
        let words = bytes.chunks(WORD).enumerate();
        words.into_iter().try_for_each(|(index, word)| {
            self.change(offset as usize + index * WORD, word.len(), |place, cell| cell & word[place])
        })
    }
}

impl<M: AsRef<[Line]> + AsMut<[Line]>> Flash for MemoryFlash<M> {
    fn mapped(&self) -> &[u8] {
        bytemuck::cast_slice(self.lines.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_clears_bits_and_erasing_sets_a_page() {
        let mut flash = MemoryFlash::new([Line::ERASED; 2 * PAGE / ALIGNMENT]);
        flash.write(8, &[0x0f; 4]).unwrap();
        flash.write(8, &[0xf5; 4]).unwrap();
        assert_eq!(flash.mapped()[6..14], [0xff, 0xff, 5, 5, 5, 5, 0xff, 0xff]);
        flash.write(PAGE as u32, &[0; 4]).unwrap();
        flash.erase(0, PAGE as u32).unwrap();
        assert_eq!(flash.mapped()[8..12], [0xff; 4]);
        assert_eq!(flash.mapped()[PAGE..PAGE + 4], [0; 4]);
        assert_eq!(flash.write(2, &[0; 4]), Err(MemoryFlashError::Place(NorFlashErrorKind::NotAligned)));
    }

    #[test]
    fn after_the_power_is_cut_nothing_changes() {
        let mut flash = MemoryFlash::new([Line::ERASED; PAGE / ALIGNMENT]);
        flash.set_power_cut(Some(PowerCut { operations: 1, remains: Remains::Garbage(7) }));
        assert_eq!(flash.write(0, &[0; 12]), Err(MemoryFlashError::Power));
        assert_eq!(flash.mapped()[..4], [0; 4]);
        assert_ne!(flash.mapped()[4..8], [0xff; 4]);
        assert_eq!(flash.mapped()[8..12], [0xff; 4]);
        let stands = flash.mapped().to_vec();
        assert_eq!(flash.erase(0, PAGE as u32), Err(MemoryFlashError::Power));
        assert_eq!(flash.mapped(), stands);
    }
}
