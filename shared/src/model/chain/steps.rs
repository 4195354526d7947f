//! What a chain does next: how far each link must come for the next band, and how far it can.
//!
//! A link reads only links before it, so one split of the links gives it and all that it can read.

use super::link::Link;
use super::{Chain, Run};

impl Chain {
    /// A band's rows, for each link as many as its readers use of it meanwhile.
    pub(super) fn set_pace(&mut self) {
        for index in (0..self.len).rev() {
            let Some((before, link)) = before(&mut self.links, index) else { continue };
            link.most = match link.most {
                _ if index + 1 == self.len => self.span.band,
                0 => link.height,
                most => most,
            };
            let used = link.most.saturating_mul(link.stride.into());
            link.reads.iter().for_each(|&read| {
                if let Some(read) = before.get_mut(usize::from(read)) {
                    read.most = read.most.max(used);
                }
            });
        }
    }

    /// Sets what each link must come to for the next band; at the end, whole results become whole.
    fn aim(&mut self) {
        self.links.iter_mut().for_each(|link| link.target = link.end);
        let Some(last) = self.links().last() else { return };
        let (end, height) = (last.end.saturating_add(self.span.band).min(last.height), last.height);
        for index in (0..self.len).rev() {
            let Some((before, link)) = before(&mut self.links, index) else { continue };
            if index + 1 == self.len {
                link.target = end;
            } else if end == height && !link.is_slab {
                link.target = link.height;
            }
            let wanted = link.input_rows(link.end..link.target).end;
            link.reads.iter().for_each(|&read| {
                if let Some(read) = before.get_mut(usize::from(read)) {
                    read.target = read.target.max(wanted);
                }
            });
        }
    }

    /// How far link number `index` can come in its turn, if that is further than it is.
    fn reach(&self, index: usize) -> Option<u16> {
        let (before, rest) = self.links().split_at_checked(index)?;
        let link = rest.first()?;
        let reads = link.reads.iter().filter_map(|&read| before.get(usize::from(read)));
        let possible = reads.map(|read| link.computable(read.end));
        let reach = possible.fold(link.target.min(link.end.saturating_add(link.most)), u16::min);
        (reach > link.end).then_some(reach)
    }

    /// Takes it there.
    fn advance(&mut self, index: usize, end: u16) -> Option<Run> {
        // At most MAX_LINKS.
        let number = index as u8;
        let readers = self.links().iter().filter(|link| link.reads.contains(&number));
        let needed = readers.map(Link::next_input).min().unwrap_or(u16::MAX);
        let link = self.links.get_mut(index)?;
        let (rows, first) = (link.end..end, link.first);
        if link.is_slab {
            link.first = needed.max(first).min(rows.start);
        }
        link.end = end;
        let moved = if link.first > first { link.first - first..rows.start - first } else { 0..0 };
        Some(Run { activation: self.base + u16::from(number), rows, moved })
    }
}

/// A link and those before it.
fn before(links: &mut [Link], index: usize) -> Option<(&mut [Link], &mut Link)> {
    let (before, rest) = links.split_at_mut_checked(index)?;
    Some((before, rest.first_mut()?))
}

impl Iterator for Chain {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        loop {
            while self.turn < self.len {
                let index = self.turn;
                self.turn += 1;
                if let Some(end) = self.reach(index) {
                    return self.advance(index, end);
                }
            }
            self.aim();
            // The first link that wants rows can compute some, so that every round comes further.
            if self.links().iter().all(|link| link.target <= link.end) {
                return None;
            }
            self.turn = 0;
        }
    }
}
