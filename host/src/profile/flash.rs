//! A board's flash with a model in it, written by the firmware's own store.

use std::io;

use deja_firmware::board::Flash;
use deja_firmware::store::{Limits, Store};
use deja_shared::protocol::MAX_CHUNK;
use deja_shared::protocol::messages::{ModelBegin, ModelChunk};
use deja_shared::protocol::refusal::Refusal;
use sha2::{Digest, Sha256};

use super::ProfileError;
use crate::simulator::FileFlash;
use crate::simulator::machine::{SNAPSHOT_BYTES, STORE_BYTES};

/// The contents of an emulated board's flash that remembers `model` (a whole `.deja` file) as the one that runs.
///
/// # Errors
/// [`ProfileError::Store`] where it is too long.
pub fn flash_with(model: &[u8]) -> Result<Vec<u8>, ProfileError> {
    let mut store = Store::mount(FileFlash::open(None, STORE_BYTES)?, SNAPSHOT_BYTES);
    let sha256 = Sha256::digest(model).into();
    let bytes = u32::try_from(model.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    let mut next = store.begin(&ModelBegin { bytes, sha256 }).map_err(ProfileError::Store)?;
    while next < bytes {
        let rest = &model[next as usize..];
        let chunk = ModelChunk { offset: next, bytes: &rest[..rest.len().min(MAX_CHUNK)] };
        next = store.chunk(&chunk).map_err(ProfileError::Store)?;
    }
    // The board tries the model itself when it starts.
    let limits = Limits { arena: u32::MAX, picture: u32::MAX };
    let certify = &mut |_: &deja_shared::model::Model<'_>| Ok::<(), Refusal>(());
    store.commit(&sha256, limits, certify).map_err(ProfileError::Store)?;
    Ok(store.into_flash().mapped().to_vec())
}
