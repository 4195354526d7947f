//! A model onto a camera: resumable by offset and digest, over a link that may break in the middle.

use super::{Client, ClientError};
use crate::progress::Progress;
use deja_shared::model::Model;
use deja_shared::protocol::endpoints::{Endpoint, endpoint};
use deja_shared::protocol::messages::{ModelBegin, ModelChunk, ModelCommit, ModelCommitted};
use deja_shared::protocol::refusal::Refusal;
use sha2::{Digest, Sha256};

/// How often a transfer is taken up again without any byte having got through in between.
const FRUITLESS: u32 = 3;

/// A model on its way.
struct Transfer<'a> {
    bytes: &'a [u8],
    sha256: [u8; 32],
    /// How far it has come, for the bar: it never goes back.
    shown: u32,
}

impl Client {
    /// Sends the file of a model and makes it the one that runs. The camera keeps what it got: after a broken link,
    /// this reconnects and goes on where it stood; so does the next call with the same bytes.
    ///
    /// # Errors
    /// The link's, when it does not come back; refusals when the model does not fit or is malformed, and then the
    /// model before still runs; [`ClientError::Interrupted`].
    pub fn flash_model(&mut self, bytes: &[u8], progress: &dyn Progress) -> Result<ModelCommitted, ClientError> {
        let length = u32::try_from(bytes.len()).map_err(|_| ClientError::TooLarge { what: "the model" })?;
        let mut transfer = Transfer { bytes, sha256: Sha256::digest(bytes).into(), shown: 0 };
        progress.start("sending the model", length.into());
        let outcome = self.keep_sending(&mut transfer, progress);
        progress.finish();
        let committed = outcome?;
        verify(bytes, &committed)?;
        self.refresh()?;
        Ok(committed)
    }

    /// Takes the transfer up again after every failure that may pass.
    fn keep_sending(
        &mut self,
        transfer: &mut Transfer<'_>,
        progress: &dyn Progress,
    ) -> Result<ModelCommitted, ClientError> {
        let mut fruitless = 0;
        loop {
            let before = transfer.shown;
            let error = match self.send_rest(transfer, progress) {
                Ok(committed) => return Ok(committed),
                Err(error) => error,
            };
            fruitless = if transfer.shown > before { 0 } else { fruitless + 1 };
            let again = error.is_transient() || error.refusal() == Some(Refusal::WrongDigest);
            if !again || fruitless > FRUITLESS {
                return Err(error);
            }
            tracing::info!(%error, "taking the transfer up again");
            progress.message("reconnecting");
            if error.is_transient() {
                self.reconnect()?;
            }
            progress.message("");
        }
    }

    /// From where the camera stands to the end.
    fn send_rest(
        &mut self,
        transfer: &mut Transfer<'_>,
        progress: &dyn Progress,
    ) -> Result<ModelCommitted, ClientError> {
        let length = transfer.bytes.len();
        let begin = ModelBegin { bytes: length as u32, sha256: transfer.sha256 };
        let mut next = self.call::<endpoint::ModelBegin>(&begin)?.next;
        loop {
            transfer.show(next, progress);
            if next as usize >= length {
                return self.call::<endpoint::ModelCommit>(&ModelCommit { sha256: transfer.sha256 });
            }
            if progress.interrupted() {
                return Err(ClientError::Interrupted);
            }
            let after = self.send_chunk(transfer.bytes, next)?;
            if after == next {
                return Err(ClientError::Answer { endpoint: endpoint::ModelChunk::NAME });
            }
            next = after;
        }
    }

    /// Sends the chunk at `offset`, and gives the byte that the camera expects next.
    fn send_chunk(&mut self, bytes: &[u8], offset: u32) -> Result<u32, ClientError> {
        let start = offset as usize;
        let chunk = ModelChunk { offset, bytes: &bytes[start..bytes.len().min(start + self.chunk())] };
        match self.call::<endpoint::ModelChunk>(&chunk) {
            Err(ClientError::Refused { refusal: Refusal::WrongOffset { expected }, .. }) => Ok(expected),
            other => Ok(other?.next),
        }
    }
}

impl Transfer<'_> {
    fn show(&mut self, next: u32, progress: &dyn Progress) {
        progress.advance(u64::from(next.saturating_sub(self.shown)));
        self.shown = self.shown.max(next);
    }
}

/// The model that runs must be the one that was sent.
fn verify(bytes: &[u8], committed: &ModelCommitted) -> Result<(), ClientError> {
    let (sent, got) = (Model::digest(bytes), committed.model.fingerprint);
    if sent == got { Ok(()) } else { Err(ClientError::WrongModel { sent, got }) }
}
