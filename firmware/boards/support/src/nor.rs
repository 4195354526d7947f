//! The store's flash: memory that the emulator keeps in a file, with the semantics of NOR cells.

use deja_firmware::board::Flash;
use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};

/// What is left of 2 MB beside the program's 256 KB.
pub const BYTES: usize = 1792 << 10;
const WORD: usize = 4;
const PAGE: usize = 4096;

/// The only handle to this memory.
pub struct Nor {
    start: usize,
}

impl Nor {
    /// # Safety
    /// There must be memory of [`BYTES`] from `start` on, aligned as models are, and nobody else may touch it.
    pub const unsafe fn at(start: usize) -> Self {
        Self { start }
    }

    /// Changes words from `offset` on to what `after` makes of them.
    fn change(&mut self, offset: usize, words: usize, after: impl Fn(usize, u32) -> u32) {
        for index in 0..words {
            let word = (self.start + offset + index * WORD) as *mut u32;
            // SAFETY: the callers checked that the words lie within this memory and are aligned; `&mut self` is the only
            // way to it.
            unsafe { word.write_volatile(after(index, word.read_volatile())) };
        }
    }
}

impl ErrorType for Nor {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Nor {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        check_read(self, offset, bytes.len())?;
        bytes.copy_from_slice(&self.mapped()[offset as usize..][..bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        BYTES
    }
}

impl NorFlash for Nor {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        check_erase(self, from, to)?;
        self.change(from as usize, (to - from) as usize / WORD, |_, _| u32::MAX);
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        check_write(self, offset, bytes.len())?;
        let (words, _) = bytes.as_chunks::<WORD>();
        self.change(offset as usize, words.len(), |index, cells| cells & u32::from_le_bytes(words[index]));
        Ok(())
    }
}

impl Flash for Nor {
    fn mapped(&self) -> &[u8] {
        // SAFETY: the memory is there for ever and always initialised; it only changes through `&mut self`.
        unsafe { core::slice::from_raw_parts(self.start as *const u8, BYTES) }
    }
}
