//! A gallery outside a camera: a JSON file with names, fingerprints of the model and templates.

use super::{Client, ClientError};
use crate::progress::Progress;
use deja_shared::embedding::Embedding;
use deja_shared::model::Fingerprint;
use deja_shared::protocol::endpoints::endpoint;
use deja_shared::protocol::messages::{Name, StoredTemplate, TemplateAt};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Version of the file.
const VERSION: u32 = 1;

/// The templates of a gallery, as they are kept in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GalleryFile {
    /// 1; a reader refuses others.
    #[serde(deserialize_with = "known_version")]
    version: u32,
    /// In the order in which they were enrolled.
    pub templates: Vec<Template>,
}

/// One template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// Whose.
    pub name: Name,
    /// The model that made it, in hexadecimal.
    #[serde(with = "hexadecimal")]
    pub fingerprint: Fingerprint,
    /// The embedding, within ±127.
    pub components: Embedding,
}

impl GalleryFile {
    /// A gallery of these templates.
    pub fn new(templates: Vec<Template>) -> Self {
        Self { version: VERSION, templates }
    }

    /// Reads a file that [`GalleryFile::write`] wrote.
    ///
    /// # Errors
    /// [`ClientError::GalleryFile`], [`ClientError::NoGallery`].
    pub fn read(path: &Path) -> Result<Self, ClientError> {
        let text = std::fs::read(path).map_err(|source| ClientError::GalleryFile { path: path.to_owned(), source })?;
        serde_json::from_slice(&text).map_err(|source| ClientError::NoGallery { path: path.to_owned(), source })
    }

    /// Writes the file whole, or leaves what was there.
    ///
    /// # Errors
    /// [`ClientError::GalleryFile`].
    pub fn write(&self, path: &Path) -> Result<(), ClientError> {
        let failed = |source| ClientError::GalleryFile { path: path.to_owned(), source };
        let text = serde_json::to_vec(self).map_err(|source| failed(source.into()))?;
        let part = path.with_added_extension("part");
        std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, path)).map_err(failed)
    }

    /// Whether every template is of `model`, and there is one.
    ///
    /// # Errors
    /// [`ClientError::EmptyGallery`], [`ClientError::OtherModel`].
    pub fn check_model(&self, model: &Fingerprint) -> Result<(), ClientError> {
        if self.templates.is_empty() {
            return Err(ClientError::EmptyGallery);
        }
        let foreign = self.templates.iter().find(|template| template.fingerprint != *model);
        let refused = |foreign: &Template| ClientError::OtherModel { gallery: foreign.fingerprint, model: *model };
        foreign.map_or(Ok(()), |foreign| Err(refused(foreign)))
    }

    /// The same people with templates of another model: `map` turns each template into one of `model`.
    ///
    /// # Errors
    /// [`ClientError::Unmappable`].
    pub fn adapted(
        &self,
        model: &Fingerprint,
        map: impl Fn(&Embedding) -> Option<Embedding>,
    ) -> Result<Self, ClientError> {
        let adapt = |template: &Template| {
            let lost = || ClientError::Unmappable { name: template.name.to_string() };
            let components = map(&template.components).ok_or_else(lost)?;
            Ok(Template { name: template.name.clone(), fingerprint: *model, components })
        };
        Ok(Self::new(self.templates.iter().map(adapt).collect::<Result<_, _>>()?))
    }

    /// How many identities there are.
    pub fn identities(&self) -> usize {
        let names: std::collections::HashSet<_> = self.templates.iter().map(|template| &template.name).collect();
        names.len()
    }
}

impl Client {
    /// Every template of the gallery.
    ///
    /// # Errors
    /// Those of the link.
    pub fn export(&mut self, progress: &dyn Progress) -> Result<GalleryFile, ClientError> {
        let total = self.refresh()?.templates;
        progress.start("reading templates", total.into());
        let templates = (0..total).map(|index| self.template(index, progress)).collect::<Result<Vec<_>, _>>();
        progress.finish();
        Ok(GalleryFile::new(templates?))
    }

    fn template(&mut self, index: u16, progress: &dyn Progress) -> Result<Template, ClientError> {
        if progress.interrupted() {
            return Err(ClientError::Interrupted);
        }
        let stored = self.call::<endpoint::ReadTemplate>(&TemplateAt { index })?;
        progress.advance(1);
        Ok(Template { name: stored.name, fingerprint: stored.fingerprint, components: stored.embedding })
    }

    /// Adds the templates of `gallery`, except those that are there already, and gives how many it added. It checks
    /// beforehand that model and room fit, so that it adds all or none; after a broken link, call it again.
    ///
    /// # Errors
    /// [`ClientError::ForeignGallery`], [`ClientError::NoRoom`]; a refusal when an identity has too many.
    pub fn import(&mut self, gallery: &GalleryFile, progress: &dyn Progress) -> Result<usize, ClientError> {
        let camera = self.model()?.fingerprint;
        if let Some(foreign) = gallery.templates.iter().find(|template| template.fingerprint != camera) {
            return Err(ClientError::ForeignGallery { gallery: foreign.fingerprint, camera });
        }
        let present = self.export(progress)?.templates;
        let new: Vec<_> = gallery.templates.iter().filter(|template| !present.contains(template)).collect();
        let room = usize::from(self.capabilities.max_templates).saturating_sub(present.len());
        if new.len() > room {
            return Err(ClientError::NoRoom { templates: new.len(), room });
        }
        progress.start("writing templates", new.len() as u64);
        let outcome = new.iter().try_for_each(|template| self.store(template, progress));
        progress.finish();
        outcome?;
        self.refresh()?;
        Ok(new.len())
    }

    fn store(&mut self, template: &Template, progress: &dyn Progress) -> Result<(), ClientError> {
        if progress.interrupted() {
            return Err(ClientError::Interrupted);
        }
        let Template { name, fingerprint, components } = template.clone();
        self.call::<endpoint::WriteTemplate>(&StoredTemplate { name, fingerprint, embedding: components })?;
        progress.advance(1);
        Ok(())
    }
}

fn known_version<'de, D: serde::Deserializer<'de>>(input: D) -> Result<u32, D::Error> {
    match u32::deserialize(input)? {
        VERSION => Ok(VERSION),
        other => Err(serde::de::Error::custom(format!("version {other} of the file; this program reads version 1"))),
    }
}

/// 32 bytes as 64 hexadecimal digits.
mod hexadecimal {
    use deja_shared::model::Fingerprint;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &Fingerprint, output: S) -> Result<S::Ok, S::Error> {
        output.serialize_str(&crate::hexadecimal::hexadecimal(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Fingerprint, D::Error> {
        let text = String::deserialize(input)?;
        parse(&text).ok_or_else(|| serde::de::Error::custom("a fingerprint has 64 hexadecimal digits"))
    }

    fn parse(text: &str) -> Option<Fingerprint> {
        let mut bytes = Fingerprint::default();
        let digits = text.as_bytes();
        if digits.len() != 2 * bytes.len() || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gallery() -> GalleryFile {
        let template = |name: &str, components: &[i16]| Template {
            name: crate::device::name(name).unwrap(),
            fingerprint: [0xab; 32],
            components: Embedding::from_raw(components).unwrap(),
        };
        GalleryFile::new(vec![template("ann", &[127, -3]), template("ann", &[0, 127]), template("bo", &[-127, 1])])
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gallery.json");
        gallery().write(&path).unwrap();
        assert_eq!(GalleryFile::read(&path).unwrap(), gallery());
        assert_eq!(gallery().identities(), 2);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_file_is_plain_json() {
        let text = serde_json::to_value(gallery()).unwrap();
        assert_eq!(text["version"], 1);
        assert_eq!(text["templates"][2]["name"], "bo");
        assert_eq!(text["templates"][2]["fingerprint"], "ab".repeat(32));
        assert_eq!(text["templates"][2]["components"], serde_json::json!([-127, 1]));
    }

    #[test]
    fn templates_are_adapted_one_by_one_and_keep_their_names() {
        let other = [7; 32];
        let adapted = gallery().adapted(&other, |old| Embedding::from_raw(&[5, old.components()[0].into(), 0]).ok());
        let adapted = adapted.unwrap();
        assert_eq!((adapted.identities(), adapted.templates.len()), (2, 3));
        assert_eq!(
            (adapted.templates[2].name.as_str(), adapted.templates[2].components.components()),
            ("bo", &[5i8, -127, 0][..])
        );
        assert!(adapted.check_model(&other).is_ok());
        let foreign = adapted.check_model(&[0xab; 32]).unwrap_err();
        assert!(matches!(foreign, ClientError::OtherModel { gallery: [7, ..], .. }), "{foreign}");
        assert!(matches!(GalleryFile::new(vec![]).check_model(&other), Err(ClientError::EmptyGallery)));
        let lost = gallery().adapted(&other, |_| None).unwrap_err();
        assert!(lost.to_string().contains("ann"), "{lost}");
    }

    #[test]
    fn other_files_are_refused_with_their_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let good = serde_json::to_string(&gallery()).unwrap();
        for bad in [
            "",
            "{}",
            &good[..good.len() / 2],
            &good.replace("\"version\":1", "\"version\":2"),
            &good.replace("-127,1", "-128,1"),
            &good.replace("-127,1", "-12,1"),
            &good.replace("abab", "ab"),
            &good.replace("\"bo\"", &format!("\"{}\"", "b".repeat(33))),
        ] {
            std::fs::write(&path, bad).unwrap();
            let error = GalleryFile::read(&path).unwrap_err();
            assert!(matches!(error, ClientError::NoGallery { .. }) && error.to_string().contains("a.json"), "{bad}");
        }
        let missing = GalleryFile::read(&folder.path().join("none.json")).unwrap_err();
        assert!(matches!(missing, ClientError::GalleryFile { .. }));
    }
}
