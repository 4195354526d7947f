//! The pictures of each class, and fair draws from them.

use rand::Rng;
use rand::seq::SliceRandom;

/// The pictures of each class with their cameras.
#[derive(Debug, Clone)]
pub struct Members {
    by_class: Vec<Vec<usize>>,
    cameras: Vec<u32>,
}

impl Members {
    /// Of pictures 0..n, of which picture i shows class `classes[i]` from camera `cameras[i]`.
    pub fn new(classes: &[u32], cameras: &[u32]) -> Self {
        let count = classes.iter().max().map_or(0, |&last| last as usize + 1);
        let mut by_class = vec![Vec::new(); count];
        for (picture, &class) in classes.iter().enumerate() {
            by_class[class as usize].push(picture);
        }
        Self { by_class, cameras: cameras.to_vec() }
    }

    /// Pictures of all classes.
    pub fn pictures(&self) -> usize {
        self.cameras.len()
    }

    /// Pictures of one class; `None` beyond the last class that has any.
    pub fn of(&self, class: usize) -> Option<&[usize]> {
        self.by_class.get(class).map(Vec::as_slice)
    }

    /// The classes with at least so many pictures, in ascending order.
    pub fn with_at_least(&self, pictures: usize) -> Vec<usize> {
        (0..self.by_class.len()).filter(|&class| self.by_class[class].len() >= pictures).collect()
    }

    /// `count` pictures of a class, repeated in turn where it has fewer; from as many cameras as possible before one repeats
    /// if `camera_balanced`. None of a class without pictures.
    pub fn draw(&self, class: usize, count: usize, camera_balanced: bool, rng: &mut impl Rng) -> Vec<usize> {
        let mut pictures = self.of(class).unwrap_or_default().to_vec();
        pictures.shuffle(rng);
        if camera_balanced {
            pictures = self.interleave(&pictures);
        }
        pictures.into_iter().cycle().take(count).collect()
    }

    /// One picture of each camera in turn; cameras in the order in which they first occur, which is random already.
    fn interleave(&self, pictures: &[usize]) -> Vec<usize> {
        let mut turns: Vec<(usize, usize)> = Vec::with_capacity(pictures.len());
        for (position, &picture) in pictures.iter().enumerate() {
            let earlier = pictures[..position].iter().filter(|&&other| self.cameras[other] == self.cameras[picture]);
            turns.push((earlier.count(), picture));
        }
        turns.sort_by_key(|&(turn, _)| turn);
        turns.into_iter().map(|(_, picture)| picture).collect()
    }
}
