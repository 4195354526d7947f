//! The table: every question a host can ask, with the types of its request and its response.

use super::messages;

/// One row of the table.
pub trait Endpoint {
    /// The number in the frame's header.
    const ID: u8;
    /// The name in logs.
    const NAME: &'static str;
    /// What the host sends.
    type Request<'a>: serde::Serialize + serde::Deserialize<'a>;
    /// What the camera answers, unless it refuses.
    type Response: serde::Serialize + for<'a> serde::Deserialize<'a>;
}

macro_rules! table {
    ($($(#[$doc:meta])* $id:literal $name:ident: $request:ident $(<$life:lifetime>)? => $response:ident;)*) => {
        /// The rows as types: `Call::<endpoint::Hello>`.
        pub mod endpoint {
            use super::{Endpoint, messages};
            $($(#[$doc])*
            #[derive(Debug, Clone, Copy)]
            pub struct $name;
            impl Endpoint for $name {
                const ID: u8 = $id;
                const NAME: &'static str = stringify!($name);
                type Request<'a> = messages::$request $(<$life>)?;
                type Response = messages::$response;
            })*
        }
        /// The rows as values, for dispatch and for statistics.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum EndpointId {
            $($(#[$doc])* $name = $id,)*
        }
        impl EndpointId {
            /// Every row, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$name),*];
            /// The row with this number.
            pub fn from_number(number: u8) -> Option<Self> {
                match number { $($id => Some(Self::$name),)* _ => None }
            }
            /// The name in logs.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }
    };
}

table! {
    /// Version handshake; starts a conversation afresh. Frozen.
    0 Hello: Hello => Capabilities;
    /// Restarts the camera after the answer has been sent. Frozen.
    1 Reboot: Nothing => Nothing;
    /// Announces a model; the answer says from which byte to send. Frozen.
    2 ModelBegin: ModelBegin => ModelProgress;
    /// A stretch of the model. Frozen.
    3 ModelChunk: ModelChunk<'a> => ModelProgress;
    /// Verifies the model that was sent and makes it the one that runs. Frozen.
    4 ModelCommit: ModelCommit => ModelCommitted;
    /// Erases models and gallery, whatever state they are in. Frozen.
    5 Recover: Nothing => Nothing;
    /// Announces a picture of RGB bytes.
    16 ImageBegin: ImageBegin => ImageProgress;
    /// A stretch of the picture.
    17 ImageChunk: ImageChunk<'a> => ImageProgress;
    /// Embeds the picture and answers the embedding.
    18 Embed: Nothing => Embedded;
    /// Embeds the picture and keeps it as a template of a name.
    19 Enroll: Enroll => Enrolled;
    /// Embeds the picture and compares it with the gallery.
    20 Identify: Nothing => Identified;
    /// Checks the model that runs from end to end and embeds its golden pictures; the older one runs where that fails.
    21 Verify: Nothing => Certificate;
    /// Embeds the model's first golden picture and answers what each layer takes.
    22 Profile: Profile => Profiled;
    /// One page of the identities.
    32 ListIdentities: ListIdentities => GalleryPage;
    /// Forgets an identity.
    33 RemoveIdentity: RemoveIdentity => Nothing;
    /// Forgets every identity.
    34 ClearGallery: Nothing => Cleared;
    /// Reads one template, to export the gallery.
    35 ReadTemplate: TemplateAt => StoredTemplate;
    /// Writes one template, to import a gallery.
    36 WriteTemplate: StoreTemplate => Enrolled;
    /// Reads the decision threshold.
    48 GetThreshold: Nothing => Threshold;
    /// Sets the decision threshold.
    49 SetThreshold: Threshold => Threshold;
    /// Counters since the start.
    50 Statistics: Nothing => Statistics;
}
