//! The people meet the camera: some are enrolled, then it is asked about everybody.

use super::people::Person;
use crate::dataset::Images;
use crate::device::{Client, ClientError};
use crate::progress::Progress;
use deja_shared::protocol::messages::{Decision, Identified};

/// What the camera said about one picture.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// Index of the person who is really there.
    pub person: usize,
    /// Index of the query picture.
    pub probe: usize,
    /// The camera's words.
    pub identified: Identified,
    /// Whether a known person was named rightly, or a stranger turned away.
    pub right: bool,
}

/// Shares of right verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Pictures of known people.
    pub known: usize,
    /// Those that were named rightly.
    pub named_rightly: usize,
    /// Pictures of strangers.
    pub strangers: usize,
    /// Those that were turned away.
    pub turned_away: usize,
}

/// Enrolls the known people and asks about everybody, in pictures of the size `query` and `gallery` have.
///
/// # Errors
/// What the camera or the link reports.
pub fn meet(
    client: &mut Client,
    people: &[Person],
    (query, gallery): (&Images, &Images),
    names: &[String],
    progress: &dyn Progress,
) -> Result<Vec<Verdict>, ClientError> {
    let name = |person: &Person| camera_name(&names[person.identity], person.identity);
    client.clear()?;
    progress.start("enroll", people.iter().map(|person| person.enrolled.len() as u64).sum());
    for person in people {
        for &index in &person.enrolled {
            client.enroll(&name(person), gallery.size, gallery.picture(index))?;
            progress.advance(1);
        }
    }
    progress.finish();
    progress.start("identify", people.iter().map(|person| person.probes.len() as u64).sum());
    let mut verdicts = Vec::new();
    for (index, person) in people.iter().enumerate() {
        for &probe in &person.probes {
            let identified = client.identify(query.size, query.picture(probe))?;
            let named = identified.best.as_ref().filter(|_| identified.decision == Decision::Match);
            let right = match (person.is_known(), named) {
                (true, Some(candidate)) => candidate.name == name(person).as_str(),
                (known, named) => !known && named.is_none(),
            };
            verdicts.push(Verdict { person: index, probe, identified, right });
            progress.advance(1);
        }
    }
    progress.finish();
    Ok(verdicts)
}

/// Counts verdicts.
pub fn tally(people: &[Person], verdicts: &[Verdict]) -> Tally {
    let mut tally = Tally::default();
    for verdict in verdicts {
        let right = usize::from(verdict.right);
        if people[verdict.person].is_known() {
            tally.known += 1;
            tally.named_rightly += right;
        } else {
            tally.strangers += 1;
            tally.turned_away += right;
        }
    }
    tally
}

/// An identity's name as a camera can store it: names that are too long for it are replaced by their number.
fn camera_name(name: &str, identity: usize) -> String {
    if name.is_empty() || name.len() > deja_shared::protocol::MAX_NAME {
        format!("identity {identity}")
    } else {
        name.to_owned()
    }
}
