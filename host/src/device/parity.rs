//! Whether a camera computes what its model's maker computed.

use super::{Client, ClientError};
use deja_shared::protocol::endpoints::endpoint;
use deja_shared::protocol::messages::{Certificate, Nothing};

impl Client {
    /// Lets the camera check the model that it runs from end to end, and embed the golden pictures in it: each embedding must
    /// be, bit for bit, the one that the model's maker computed. Where it is not, the camera takes up its older model.
    ///
    /// # Errors
    /// Those of the link; [`Refusal::NoModel`](deja_shared::protocol::refusal::Refusal::NoModel). A model that fails is no
    /// error here: [`Certificate::fault`] says so.
    pub fn verify(&mut self) -> Result<Certificate, ClientError> {
        let certificate = self.call::<endpoint::Verify>(&Nothing)?;
        self.refresh()?;
        Ok(certificate)
    }
}
