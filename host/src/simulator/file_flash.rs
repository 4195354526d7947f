//! NOR flash in a file: erasing sets bits, writing clears them, and a killed program loses nothing that was written.

use deja_firmware::board::Flash;
use deja_firmware::board::memory::Line;
use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes that are written at once.
const WORD: usize = 4;
/// Bytes that are erased at once.
pub(super) const PAGE: usize = 4096;

/// The flash of a simulated camera: the cells in memory, where models are used in place, and their copy in a file.
#[derive(Debug)]
pub struct FileFlash {
    cells: Vec<Line>,
    backing: Option<Arc<Backing>>,
}

/// The file behind the cells.
#[derive(Debug)]
pub(super) struct Backing {
    file: File,
    dirty: AtomicBool,
}

/// The flash refused.
#[derive(Debug)]
pub enum FileFlashError {
    /// Outside, or not on a border of words or pages.
    Place(NorFlashErrorKind),
    /// The file could not be written.
    File(io::Error),
}

impl NorFlashError for FileFlashError {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::Place(kind) => *kind,
            Self::File(_) => NorFlashErrorKind::Other,
        }
    }
}

impl FileFlash {
    /// Opens the flash in the file at `path`, or begins an erased one of `bytes`, which are a multiple of 4096. Without
    /// a path the flash is in memory only.
    ///
    /// # Errors
    /// When the file cannot be read or written, is no flash of this size, or another simulator is using it.
    pub fn open(path: Option<&Path>, bytes: usize) -> io::Result<Self> {
        let mut cells = vec![Line::ERASED; bytes.next_multiple_of(PAGE) / size_of::<Line>()];
        let backing = path.map(|path| Backing::open(path, bytemuck::cast_slice_mut(&mut cells))).transpose()?;
        Ok(Self { cells, backing: backing.map(Arc::new) })
    }

    /// The file, for the main loop to [`Backing::settle`] it.
    pub(super) fn backing(&self) -> Option<Arc<Backing>> {
        self.backing.clone()
    }

    fn cells(&mut self) -> &mut [u8] {
        bytemuck::cast_slice_mut(&mut self.cells)
    }

    /// Changes a stretch of cells, in memory only after the file has taken it.
    fn change(&mut self, start: usize, new: &[u8]) -> Result<(), FileFlashError> {
        if let Some(backing) = &self.backing {
            backing.write(start as u64, new).map_err(FileFlashError::File)?;
        }
        self.cells()[start..start + new.len()].copy_from_slice(new);
        Ok(())
    }
}

impl Backing {
    /// Reads the file into `cells`, or writes `cells` into a new file.
    fn open(path: &Path, cells: &mut [u8]) -> io::Result<Self> {
        let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        file.try_lock().map_err(|_| {
            let text = "another simulated camera is using this file; stop it or give another file";
            io::Error::new(io::ErrorKind::ResourceBusy, text)
        })?;
        match file.metadata()?.len() {
            0 => file.write_all(cells)?,
            length if length == cells.len() as u64 => file.read_exact(cells)?,
            length => {
                let text =
                    format!("this file of {length} bytes is no flash of {} bytes; give another one", cells.len());
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
        }
        Ok(Self { file, dirty: AtomicBool::new(true) })
    }

    fn write(&self, start: u64, bytes: &[u8]) -> io::Result<()> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(start))?;
        file.write_all(bytes)?;
        self.dirty.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Brings what was written through the system's cache to the disk.
    pub fn settle(&self) -> io::Result<()> {
        if self.dirty.swap(false, Ordering::Relaxed) {
            self.file.sync_data()?;
        }
        Ok(())
    }
}

impl ErrorType for FileFlash {
    type Error = FileFlashError;
}

impl ReadNorFlash for FileFlash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FileFlashError> {
        check_read(self, offset, bytes.len()).map_err(FileFlashError::Place)?;
        bytes.copy_from_slice(&self.mapped()[offset as usize..][..bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.mapped().len()
    }
}

impl NorFlash for FileFlash {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), FileFlashError> {
        check_erase(self, from, to).map_err(FileFlashError::Place)?;
        self.change(from as usize, &vec![0xff; (to - from) as usize])
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FileFlashError> {
        check_write(self, offset, bytes.len()).map_err(FileFlashError::Place)?;
        let start = offset as usize;
        let new: Vec<u8> = self.mapped()[start..].iter().zip(bytes).map(|(cell, byte)| cell & byte).collect();
        self.change(start, &new)
    }
}

impl Flash for FileFlash {
    fn mapped(&self) -> &[u8] {
        bytemuck::cast_slice(&self.cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deja_firmware::board::memory::MemoryFlash;
    use proptest::prelude::*;

    #[test]
    fn it_remembers_in_its_file_and_only_one_may_use_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.flash");
        let mut flash = FileFlash::open(Some(&path), 2 * PAGE).unwrap();
        assert!(flash.mapped().iter().all(|&cell| cell == 0xff));
        flash.write(8, &[0x0f, 1, 2, 3]).unwrap();
        let busy = FileFlash::open(Some(&path), 2 * PAGE).unwrap_err();
        assert!(busy.to_string().contains("another simulated camera"), "{busy}");
        drop(flash);
        let mut again = FileFlash::open(Some(&path), 2 * PAGE).unwrap();
        assert_eq!(again.mapped()[8..12], [0x0f, 1, 2, 3]);
        again.erase(0, PAGE as u32).unwrap();
        drop(again);
        assert!(std::fs::read(&path).unwrap().iter().all(|&byte| byte == 0xff));
        assert!(FileFlash::open(Some(&path), PAGE).unwrap_err().to_string().contains("8192 bytes"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn it_is_the_firmwares_own_flash(
            operations in proptest::collection::vec((0u32..2 * PAGE as u32 / 4, any::<[u8; 8]>(), any::<bool>()), 0..40)
        ) {
            let mut flash = FileFlash::open(None, 2 * PAGE).unwrap();
            let mut model = MemoryFlash::new(vec![Line::ERASED; 2 * PAGE / 16]);
            for (word, bytes, erase) in operations {
                if erase && word % 8 == 0 {
                    let page = word * 4 / PAGE as u32 * PAGE as u32;
                    prop_assert_eq!(
                        flash.erase(page, page + PAGE as u32).is_ok(), model.erase(page, page + PAGE as u32).is_ok());
                } else {
                    prop_assert_eq!(flash.write(word * 4, &bytes).is_ok(), model.write(word * 4, &bytes).is_ok());
                }
                prop_assert!(flash.mapped() == model.mapped());
            }
        }
    }
}
