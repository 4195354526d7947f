//! Offline mining against its O(N³) twin, and what is refused.

use super::*;
use crate::mining::Distances;
use crate::progress::Silent;
use proptest::prelude::*;

fn settings(triplets: usize, candidates: usize) -> OfflineSettings {
    OfflineSettings { triplets, candidates, margin: 1.0, ..OfflineSettings::default() }
}

/// Walks every triplet, sorts all negatives of each pair and class, and draws the lowest tickets of all candidates.
fn plain(embeddings: &[f32], dimension: usize, identities: &[u32], settings: &OfflineSettings, seed: u64) -> Mined {
    let distances = Distances::new(embeddings, dimension);
    let (count, mut examined) = (identities.len(), Counts::default());
    let mut candidates: [Vec<Candidate>; 3] = [const { Vec::new() }; 3];
    for anchor in 0..count {
        for positive in (0..count).filter(|&p| p != anchor && identities[p] == identities[anchor]) {
            let mut bands: [Vec<usize>; 3] = [const { Vec::new() }; 3];
            for negative in (0..count).filter(|&n| identities[n] != identities[anchor]) {
                let row = distances.row(anchor);
                let class = TripletClass::of(row[positive], row[negative], settings.margin);
                examined.add(class, 1);
                bands[class as usize].push(negative);
            }
            for (class, mut band) in TripletClass::ALL.into_iter().zip(bands) {
                band.sort_by(|&a, &b| distances.row(anchor)[a].total_cmp(&distances.row(anchor)[b]));
                let nearest = band.into_iter().take(settings.candidates);
                let candidate = |negative| Candidate::new(seed, class, Triplet { anchor, positive, negative });
                candidates[class as usize].extend(nearest.map(candidate));
            }
        }
    }
    let mut pool = Pool::new(Counts { easy: u64::MAX, semi_hard: u64::MAX, hard: u64::MAX });
    for (class, mut of_class) in TripletClass::ALL.into_iter().zip(candidates) {
        of_class.sort();
        of_class.truncate(settings.wanted().of(class) as usize);
        of_class.into_iter().for_each(|candidate| pool.offer(candidate));
    }
    Mined { chosen: pool.chosen(), triplets: pool.into_triplets(), examined }
}

proptest! {
    /// Whole numbers, so that many distances are equal or exactly on a band's end.
    #[test]
    fn equals_the_plain_twin(
        rows in prop::collection::vec((0u32..5, -3i8..4, -3i8..4), 1..40),
        triplets in 1usize..300,
        candidates in 1usize..6,
        seed: u64,
    ) {
        let identities: Vec<u32> = rows.iter().map(|row| row.0).collect();
        let embeddings: Vec<f32> = rows.iter().flat_map(|row| [f32::from(row.1), f32::from(row.2)]).collect();
        let settings = settings(triplets, candidates);
        let expected = plain(&embeddings, 2, &identities, &settings, seed);
        match mine(&embeddings, 2, &identities, &settings, seed, &Silent) {
            Ok(mined) => prop_assert_eq!(mined, expected),
            Err(MiningError::NoTriplets) => prop_assert_eq!(expected.examined.total(), 0),
            Err(MiningError::NothingWanted { .. }) => prop_assert!(expected.triplets.is_empty()),
            Err(error) => prop_assert!(false, "{}", error),
        }
    }
}

/// Two identities on a line: 0 and 1 of the one; 0.5, 1.5 and 9 of the other.
#[test]
fn classes_and_quotas_by_hand() {
    let (embeddings, identities) = ([0.0, 1.0, 0.5, 1.5, 9.0], [0, 0, 1, 1, 1]);
    let all = OfflineSettings { triplets: 1000, easy: 0.4, semi_hard: 0.3, hard: 0.3, ..settings(1000, 9) };
    let mined = mine(&embeddings, 1, &identities, &all, 1, &Silent).unwrap();
    // (0,1): 0.5 hard, 1.5 semi-hard, 9 easy; (1,0): 0.5 and 1.5 hard, 9 easy; of the others' six pairs likewise.
    assert_eq!(mined.examined.total(), 2 * 3 + 6 * 2);
    let classes: Vec<TripletClass> =
        mined.triplets.iter().filter(|(_, t)| (t.anchor, t.positive) == (0, 1)).map(|(class, _)| *class).collect();
    assert_eq!(classes, [TripletClass::Hard, TripletClass::SemiHard, TripletClass::Easy]);
    assert_eq!(mined.chosen, mined.examined, "enough was asked for");
    let few = OfflineSettings { triplets: 4, easy: 0.5, semi_hard: 0.0, hard: 0.5, ..all };
    let mined = mine(&embeddings, 1, &identities, &few, 1, &Silent).unwrap();
    assert_eq!(mined.chosen, Counts { easy: 2, semi_hard: 0, hard: 2 });
    let other = mine(&embeddings, 1, &identities, &few, 2, &Silent).unwrap();
    assert!(other.triplets != mined.triplets && other.examined == mined.examined, "the seed draws others");
}

#[test]
fn a_picture_alone_of_its_identity_is_only_a_negative() {
    let mined = mine(&[0.0, 1.0, 0.5], 1, &[0, 0, 7], &settings(100, 4), 1, &Silent).unwrap();
    assert!(mined.triplets.iter().all(|(_, triplet)| triplet.negative == 2));
    assert_eq!(mined.triplets.len(), 2);
}

#[test]
fn what_cannot_be_mined_is_named() {
    let error = |embeddings: &[f32], identities: &[u32], settings: &OfflineSettings| {
        mine(embeddings, 1, identities, settings, 1, &Silent).unwrap_err()
    };
    let fine = settings(10, 1);
    assert_eq!(error(&[0.0, f32::NAN], &[0, 0], &fine), MiningError::NotFinite { row: 1 });
    assert_eq!(error(&[], &[], &fine), MiningError::NoTriplets);
    assert_eq!(error(&[0.0, 1.0], &[0, 0], &fine), MiningError::NoTriplets, "one identity");
    assert_eq!(error(&[0.0, 1.0], &[0, 1], &fine), MiningError::NoTriplets, "no pair");
    let hard = OfflineSettings { easy: 0.0, semi_hard: 0.0, hard: 1.0, ..fine };
    let message = error(&[0.0, 0.1, 9.0], &[0, 0, 1], &hard).to_string();
    assert!(message.contains("2 easy") && message.contains("10 hard"), "{message}");
    for wrong in [
        OfflineSettings { triplets: 0, ..fine },
        OfflineSettings { candidates: 0, ..fine },
        OfflineSettings { margin: f32::NAN, ..fine },
    ] {
        assert!(matches!(error(&[0.0], &[0], &wrong), MiningError::Setting { .. }));
    }
    let sum = OfflineSettings { hard: 0.5, ..fine };
    assert!(error(&[0.0], &[0], &sum).to_string().contains("1.2"));
}

/// `cargo test --release -p deja --lib offline::tests::market -- --ignored --nocapture`
#[test]
#[ignore = "a measurement of seconds"]
fn market_sized_set() {
    let (count, dimension) = (12_936usize, 128usize);
    let identities: Vec<u32> = (0..count).map(|row| (row % 751) as u32).collect();
    let value = |row: usize, k: usize| (((row % 751 * 7919 + k * 104_729) % 1009) as f32 + (row * k % 97) as f32) / 9e3;
    let embeddings: Vec<f32> = (0..count).flat_map(|row| (0..dimension).map(move |k| value(row, k))).collect();
    let start = std::time::Instant::now();
    let mined = mine(&embeddings, dimension, &identities, &OfflineSettings::default(), 1, &Silent).unwrap();
    println!("{:.1} s, examined {:?}, chosen {:?}", start.elapsed().as_secs_f64(), mined.examined, mined.chosen);
}
