//! Whose pictures calibrate, and whose are held out to evaluate.

use super::ship::ShipError;
use crate::dataset::{self, Dataset, DatasetError, Images, PictureList, Sample};
use crate::progress::Progress;
use crate::training::TrainingError;
use std::collections::BTreeSet;

/// Most pictures of another data set that are looked at; beyond that whole identities are left out.
const MOST: usize = 4096;

/// Pictures, each with its name.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    pub images: Images,
    pub names: Vec<String>,
}

impl Pictures {
    /// The training pictures of these identities, scaled to `size`.
    ///
    /// # Errors
    /// An identity that has none; what reading reports.
    pub fn of(
        data: &Dataset,
        identities: &[String],
        size: [usize; 2],
        progress: &dyn Progress,
    ) -> Result<Self, ShipError> {
        let wanted: BTreeSet<&str> = identities.iter().map(String::as_str).collect();
        let name = |sample: &Sample| sample.identity.known().map(|index| data.identities[index].as_str());
        let is_wanted = |sample: &&Sample| name(sample).is_some_and(|name| wanted.contains(name));
        let samples: Vec<Sample> = data.train.iter().filter(is_wanted).cloned().collect();
        let found: BTreeSet<&str> = samples.iter().filter_map(name).collect();
        if let Some(missing) = wanted.difference(&found).next() {
            let problem = format!("`{}` has no pictures of identity `{missing}`", data.name);
            return Err(TrainingError::DataChanged { problem }.into());
        }
        Ok(Self::load(&samples, &data.identities, size, progress)?)
    }

    /// Pictures of the set's known identities: of its test part, if it has one, else all. Of a large set, those of the first
    /// identities that fit into [`MOST`].
    ///
    /// # Errors
    /// What reading reports.
    pub fn of_strangers(data: &Dataset, size: [usize; 2], progress: &dyn Progress) -> Result<Self, DatasetError> {
        let tested = [&data.query[..], &data.gallery[..]].concat();
        let all = if tested.is_empty() { data.train.clone() } else { tested };
        let mut counts = vec![0usize; data.identities.len()];
        all.iter().filter_map(|sample| sample.identity.known()).for_each(|index| counts[index] += 1);
        let mut sum = 0;
        let fits = |count: &usize| {
            let fits = sum + count <= MOST;
            sum += if fits { *count } else { 0 };
            fits
        };
        let kept: Vec<bool> = counts.iter().map(fits).collect();
        let is_kept = |sample: &Sample| sample.identity.known().is_some_and(|index| kept[index]);
        let samples: Vec<Sample> = all.into_iter().filter(is_kept).collect();
        Self::load(&samples, &data.identities, size, progress)
    }

    fn load(
        samples: &[Sample],
        identities: &[String],
        size: [usize; 2],
        progress: &dyn Progress,
    ) -> Result<Self, DatasetError> {
        if samples.is_empty() {
            return Ok(Self::default());
        }
        let images = dataset::load(samples, size, progress)?;
        let names = PictureList::new(samples, identities).names;
        let names = images.kept.iter().map(|&index| names[index].clone()).collect();
        Ok(Self { images, names })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::synthetic;
    use crate::progress::Silent;

    fn data(identities: u32) -> Dataset {
        synthetic::dataset(&synthetic::Settings { identities, cameras: 2, images: 2, seed: 3 })
    }

    #[test]
    fn pictures_are_those_of_the_named_and_no_others() {
        let data = data(24);
        let names: Vec<String> =
            data.train.iter().map(|s| data.identities[s.identity.known().unwrap()].clone()).collect();
        let (some, rest): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| name.ends_with(['0', '3', '7']));
        let [a, b] = [&some, &rest].map(|names| Pictures::of(&data, names, [16, 8], &Silent).unwrap());
        assert!(!some.is_empty() && !rest.is_empty() && a.names.len() + b.names.len() == data.train.len());
        assert!(a.names.iter().all(|name| !b.names.contains(name)) && a.images.len() == a.names.len());
        assert!(Pictures::of(&data, &[], [16, 8], &Silent).unwrap().images.is_empty());
    }

    #[test]
    fn strangers_are_those_of_the_test_part() {
        let mut data = data(24);
        let count = |data: &Dataset| Pictures::of_strangers(data, [16, 8], &Silent).unwrap().names.len();
        assert_eq!(count(&data), data.query.len() + data.gallery.len());
        (data.query, data.gallery) = (vec![], vec![]);
        assert_eq!(count(&data), data.train.len());
    }

    #[test]
    fn an_identity_without_pictures_is_named() {
        let error = Pictures::of(&data(6), &["nobody".into()], [16, 8], &Silent).unwrap_err();
        assert!(error.to_string().contains("nobody"), "{error}");
    }
}
