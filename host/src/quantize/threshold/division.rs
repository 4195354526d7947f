//! Random divisions of held-out identities into people enrolled and strangers.

use std::collections::BTreeMap;

use deja_shared::embedding::Q15_ONE;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::HeldOut;

/// The numbers of each identity's pictures, in order of the identities.
pub fn people(held_out: &[HeldOut]) -> Vec<Vec<usize>> {
    let mut people = BTreeMap::<u32, Vec<usize>>::new();
    for (index, picture) in held_out.iter().enumerate() {
        people.entry(picture.identity).or_default().push(index);
    }
    people.into_values().collect()
}

/// Every probe's cosine to every template, in 1/2¹⁵.
pub struct Scores {
    values: Vec<i16>,
    count: usize,
}

impl Scores {
    pub fn of(held_out: &[HeldOut]) -> Self {
        let row = |HeldOut { probe, .. }: &HeldOut| {
            held_out.iter().map(|other| probe.similarity(&other.template).to_q15()).collect::<Vec<_>>()
        };
        Self { values: held_out.par_iter().flat_map_iter(row).collect(), count: held_out.len() }
    }

    /// The greatest score of a picture against templates.
    fn best(&self, picture: usize, templates: &[usize]) -> i16 {
        let row = &self.values[picture * self.count..][..self.count];
        templates.iter().map(|&template| row[template]).max().unwrap_or(i16::MIN)
    }
}

/// One division of the identities.
pub struct Division {
    /// The templates of each identity in the gallery.
    gallery: Vec<Vec<usize>>,
    /// The further pictures of each identity in the gallery.
    known: Vec<Vec<usize>>,
    /// The pictures of all others.
    strangers: Vec<usize>,
}

impl Division {
    /// `gallery` identities enroll up to `templates` pictures each, and keep at least one to be recognised by.
    pub fn draw(people: &[Vec<usize>], gallery: usize, templates: usize, random: &mut ChaCha8Rng) -> Self {
        let mut order: Vec<usize> = (0..people.len()).collect();
        order.shuffle(random);
        let mut division = Self { gallery: vec![], known: vec![], strangers: vec![] };
        for person in order {
            let mut pictures = people[person].clone();
            if division.gallery.len() == gallery || pictures.len() < 2 {
                division.strangers.append(&mut pictures);
                continue;
            }
            pictures.shuffle(random);
            division.known.push(pictures.split_off(templates.min(pictures.len() - 1)));
            division.gallery.push(pictures);
        }
        division
    }

    pub fn stranger_scores(&self, scores: &Scores) -> Vec<i16> {
        let templates = self.gallery.concat();
        self.strangers.iter().map(|&picture| scores.best(picture, &templates)).collect()
    }

    /// For each further picture of somebody enrolled: is the best identity theirs, and its score enough?
    pub fn named_rightly(&self, scores: &Scores, threshold: i16) -> Vec<bool> {
        let rightly = |(person, &picture): (usize, &usize)| {
            let best = |(index, templates): (usize, &Vec<usize>)| (scores.best(picture, templates), index);
            let (score, index) = self.gallery.iter().enumerate().map(best).max().unwrap_or_default();
            index == person && score >= threshold
        };
        let pictures = self.known.iter().enumerate().flat_map(|(person, all)| all.iter().map(move |p| (person, p)));
        pictures.map(rightly).collect()
    }
}

/// The least of the values that at least `fraction` of them do not exceed.
pub fn quantile(mut values: Vec<i16>, fraction: f64) -> i16 {
    values.sort_unstable();
    let rank = (fraction * values.len() as f64).ceil() as usize;
    values.get(rank.clamp(1, values.len().max(1)) - 1).copied().unwrap_or(Q15_ONE)
}
