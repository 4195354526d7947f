//! Who takes part in the demonstration: people whom the camera gets to know, and strangers.

use crate::dataset::Images;
use std::collections::BTreeMap;

/// How many take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most known people, and most strangers.
    pub people: usize,
    /// Most pictures with which a known person is enrolled.
    pub templates: usize,
    /// Most pictures of each that the camera is asked about.
    pub probes: usize,
}

/// Somebody whom the network has never seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Index into the data set's identities.
    pub identity: usize,
    /// Indices of the gallery pictures to enroll; empty for a stranger.
    pub enrolled: Vec<usize>,
    /// Indices of the query pictures to ask about.
    pub probes: Vec<usize>,
}

impl Person {
    /// Whether the camera gets to know this person.
    pub fn is_known(&self) -> bool {
        !self.enrolled.is_empty()
    }
}

/// Of the identities with query and gallery pictures, in order, every second one stays a stranger, as in
/// [`crate::evaluation::every_second_identity`].
pub fn choose(query: &Images, gallery: &Images, limits: Limits) -> Vec<Person> {
    let mut templates = by_identity(gallery);
    let both = by_identity(query).into_iter().filter_map(|(id, probes)| Some((id, probes, templates.remove(&id)?)));
    let person = |(position, (identity, probes, templates)): (usize, (usize, Vec<usize>, Vec<usize>))| Person {
        identity,
        enrolled: if position % 2 == 0 { spread(&templates, limits.templates) } else { Vec::new() },
        probes: spread(&probes, limits.probes),
    };
    both.take(2 * limits.people).enumerate().map(person).collect()
}

fn by_identity(images: &Images) -> BTreeMap<usize, Vec<usize>> {
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, identity) in images.identities.iter().enumerate() {
        if let Some(identity) = identity.known() {
            groups.entry(identity).or_default().push(index);
        }
    }
    groups
}

/// At most `most` of them, evenly spread: pictures of one camera stand together.
fn spread(all: &[usize], most: usize) -> Vec<usize> {
    let count = all.len().min(most);
    (0..count).map(|i| all[i * all.len() / count]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{self, Dataset};
    use crate::progress::Silent;
    use std::path::Path;

    #[test]
    fn every_second_person_stays_a_stranger() {
        let Dataset { query, gallery, .. } =
            dataset::open(Path::new("synthetic:identities=30,cameras=2,images=3")).unwrap();
        let load = |samples| dataset::load(samples, [16, 8], &Silent).unwrap();
        let (query, gallery) = (load(&query), load(&gallery));
        let people = choose(&query, &gallery, Limits { people: 2, templates: 3, probes: 1 });
        assert_eq!(people.iter().map(Person::is_known).collect::<Vec<_>>(), [true, false, true, false]);
        for person in &people {
            assert_eq!(person.probes.len(), 1);
            assert!(person.probes.iter().all(|&i| query.identities[i].known() == Some(person.identity)));
            assert!(person.enrolled.iter().all(|&i| gallery.identities[i].known() == Some(person.identity)));
        }
        assert_eq!(people[0].enrolled.len(), 3);
        assert_eq!(choose(&query, &gallery, Limits { people: 99, templates: 1, probes: 1 }).len(), 6);
    }
}
