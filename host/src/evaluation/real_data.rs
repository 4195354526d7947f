//! Data sets and ranking together: raw pixels as embeddings, the figure that every network has to beat.

use super::{Embeddings, Ranking, rank};
use crate::dataset::{self, Dataset, Images};
use crate::progress::Silent;
use std::path::Path;

/// Pixels less the picture's mean: their cosine is the correlation of two pictures.
fn pixels(images: &Images) -> Embeddings {
    let dimension = images.pixels.len() / images.len();
    let centred = |picture: &[u8]| {
        let mean = picture.iter().map(|&v| f32::from(v)).sum::<f32>() / dimension as f32;
        picture.iter().map(|&v| f32::from(v) - mean).collect::<Vec<_>>()
    };
    let vectors = images.pixels.chunks_exact(dimension).flat_map(centred).collect();
    Embeddings::new(dimension, vectors, images.identities.clone(), images.cameras.clone()).unwrap()
}

fn ranked(dataset: &Dataset, size: [usize; 2]) -> Ranking {
    let [queries, gallery] =
        [&dataset.query, &dataset.gallery].map(|samples| pixels(&dataset::load(samples, size, &Silent).unwrap()));
    let ranking = rank(&queries, &gallery).unwrap();
    println!(
        "{} at {size:?}: {} queries, {} gallery, rank-1 {:.3}, mAP {:.3}, mINP {:.3}",
        dataset.name,
        ranking.queries.len(),
        ranking.gallery,
        ranking.rank1(),
        ranking.map,
        ranking.minp
    );
    ranking
}

#[test]
fn vehicles_are_found_by_their_pixels_now_and_then() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/vehicles");
    if !folder.is_dir() {
        eprintln!("SKIPPED: no data in {}", folder.display());
        return;
    }
    let dataset = dataset::open(&folder).unwrap();
    assert_eq!((dataset.train.len(), dataset.query.len(), dataset.gallery.len()), (1014, 60, 60));
    assert_eq!((dataset.train_identities(), dataset.identities.len()), (507, 567));
    dataset.check_trainable().unwrap();
    let ranking = ranked(&dataset, [32, 32]);
    assert!((0.25..0.5).contains(&ranking.rank1()) && (0.35..0.6).contains(&ranking.map), "not what pixels reach");
}

#[test]
fn synthetic_pedestrians_are_not_found_by_their_pixels() {
    let ranking = ranked(&dataset::open("synthetic").unwrap(), [32, 16]);
    assert_eq!((ranking.queries.len(), ranking.gallery, ranking.unmatched), (256, 512, 0));
    assert!(ranking.map < 0.25, "too easy: mAP {:.3}", ranking.map);
}
