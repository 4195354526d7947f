//! What every layout on disk fills in: samples under identity names, numbered at the end.

use super::{Dataset, Identity, Sample, Source};
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

/// Collects samples under identity names, and numbers the names so that those of the training split come first.
#[derive(Default)]
pub(super) struct Builder {
    samples: Vec<(Split, Named)>,
}

/// A sample whose identity still goes by its name.
struct Named {
    path: PathBuf,
    identity: Name,
    camera: u32,
}

/// What a layout says about who a picture shows.
pub(super) enum Name {
    Known(String),
    Distractor,
    Junk,
}

/// Which part of the set a picture belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Split {
    Train,
    Query,
    Gallery,
}

impl Builder {
    /// Takes down one picture.
    pub(super) fn add(&mut self, split: Split, path: PathBuf, identity: Name, camera: u32) {
        self.samples.push((split, Named { path, identity, camera }));
    }

    /// Names are numbered in the order of the alphabet, training identities before the others.
    pub(super) fn build(self, name: String) -> Dataset {
        let names = |train: bool| {
            self.samples.iter().filter(move |(split, _)| (*split == Split::Train) == train).filter_map(|(_, sample)| {
                match &sample.identity {
                    Name::Known(name) => Some(name.clone()),
                    Name::Distractor | Name::Junk => None,
                }
            })
        };
        let train: BTreeSet<String> = names(true).collect();
        let others: BTreeSet<String> = names(false).filter(|name| !train.contains(name)).collect();
        let identities: Vec<String> = train.into_iter().chain(others).collect();
        let numbers: HashMap<&str, usize> =
            identities.iter().enumerate().map(|(index, name)| (name.as_str(), index)).collect();
        let mut splits = [Vec::new(), Vec::new(), Vec::new()];
        for (split, Named { path, identity, camera }) in self.samples {
            let identity = match identity {
                Name::Known(name) => Identity::Known(numbers[name.as_str()]),
                Name::Distractor => Identity::Distractor,
                Name::Junk => Identity::Junk,
            };
            splits[split as usize].push(Sample { source: Source::File(path), identity, camera });
        }
        let [train, query, gallery] = splits;
        Dataset { name, identities, train, query, gallery }
    }
}
