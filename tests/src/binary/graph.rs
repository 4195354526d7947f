//! All that can be reached from some functions, and the stack that it takes.

use std::collections::{BTreeMap, BTreeSet};

use super::BinaryError;
use super::body::Body;
use super::program::Program;

/// The most stack from a function on, and where that is followed.
type Known = BTreeMap<u32, (u32, Option<u32>)>;

/// How deep the stack can get.
#[derive(Debug)]
pub struct Stack<'p> {
    /// Bytes in all.
    pub bytes: u32,
    /// The functions that are running then, each with what it and those behind it take.
    pub path: Vec<(&'p str, u32)>,
}

/// What is reached from some functions.
pub struct Graph<'p> {
    program: &'p Program,
    /// By the address where they are entered.
    bodies: BTreeMap<u32, Body>,
    /// Who reaches each first.
    callers: BTreeMap<u32, u32>,
    /// What an indirect call may go to.
    taken: BTreeSet<u32>,
    is_end: fn(&str) -> bool,
}

impl<'p> Graph<'p> {
    /// Follows every call from `roots` on, but not into functions whose names `is_end` calls ends, from which none returns
    /// or whose stack [`Graph::stack`] is told.
    ///
    /// # Errors
    /// [`BinaryError`] where code is not understood.
    pub fn new(program: &'p Program, roots: &[u32], is_end: fn(&str) -> bool) -> Result<Self, BinaryError> {
        let mut graph =
            Self { program, bodies: BTreeMap::new(), callers: BTreeMap::new(), taken: BTreeSet::new(), is_end };
        let mut waiting = roots.to_vec();
        while let Some(entry) = waiting.pop() {
            if graph.bodies.contains_key(&entry) {
                continue;
            }
            let body = if graph.is_end(entry) { Body::default() } else { Body::of(program, entry, is_end)? };
            for &to in body.calls.keys().chain(&body.taken) {
                graph.callers.entry(to).or_insert(entry);
                waiting.push(to);
            }
            graph.taken.extend(&body.taken);
            graph.bodies.insert(entry, body);
        }
        Ok(graph)
    }

    /// The names of all functions that are reached.
    pub fn names(&self) -> BTreeSet<&'p str> {
        self.bodies.keys().map(|&entry| self.program.name(entry)).collect()
    }

    /// How a function is reached whose name `is_it`: names from one of the roots to it.
    pub fn path_to(&self, is_it: impl Fn(&str) -> bool) -> Option<Vec<&'p str>> {
        let mut entry = *self.bodies.keys().find(|entry| is_it(self.program.name(**entry)))?;
        let mut path = vec![self.program.name(entry)];
        while let Some(&caller) = self.callers.get(&entry).filter(|_| path.len() < self.bodies.len()) {
            path.push(self.program.name(caller));
            entry = caller;
        }
        path.reverse();
        Some(path)
    }

    /// Where floating-point numbers are computed with: addresses and the functions that they lie in.
    pub fn floats(&self) -> Vec<(u32, &'p str)> {
        let addresses = self.bodies.values().flat_map(|body| &body.floats);
        addresses.map(|&address| (address, self.program.name(address))).collect()
    }

    /// Functions that are called through registers, if any call does that.
    pub fn indirect(&self) -> Vec<&'p str> {
        self.taken.iter().map(|&entry| self.program.name(entry)).collect()
    }

    /// The most stack that a function and all that it calls can take; `of_end` says it of the ends, by their names.
    ///
    /// # Errors
    /// [`BinaryError::Recursion`], for which there is no bound.
    pub fn stack(&self, entry: u32, of_end: impl Fn(&str) -> u32) -> Result<Stack<'p>, BinaryError> {
        let ends = self.bodies.keys().filter(|entry| self.is_end(**entry));
        let mut known = ends.map(|&entry| (entry, (of_end(self.program.name(entry)), None))).collect();
        let bytes = self.deepest(entry, &mut Vec::new(), &mut known)?;
        let steps = std::iter::successors(Some(entry), |entry| known.get(entry)?.1);
        Ok(Stack { bytes, path: steps.map(|entry| (self.program.name(entry), known[&entry].0)).collect() })
    }

    fn is_end(&self, entry: u32) -> bool {
        (self.is_end)(self.program.name(entry))
    }

    /// The most stack from here on; `known` comes to hold it for all that is called, with what is called when it is reached.
    fn deepest(&self, entry: u32, path: &mut Vec<u32>, known: &mut Known) -> Result<u32, BinaryError> {
        if let Some(&(bytes, _)) = known.get(&entry) {
            return Ok(bytes);
        }
        let is_recursive = path.contains(&entry);
        path.push(entry);
        if is_recursive {
            let names = path.iter().map(|&entry| self.program.name(entry).to_owned()).collect();
            return Err(BinaryError::Recursion(names));
        }
        let body = self.bodies.get(&entry).ok_or(BinaryError::NoCode(entry))?;
        let mut most = (body.stack, None);
        let indirect = body.indirect.into_iter().flat_map(|depth| self.taken.iter().map(move |&to| (to, depth)));
        for (to, depth) in body.calls.iter().map(|(&to, &depth)| (to, depth)).chain(indirect) {
            let bytes = depth + self.deepest(to, path, known)?;
            if bytes > most.0 {
                most = (bytes, Some(to));
            }
        }
        path.pop();
        known.insert(entry, most);
        Ok(most.0)
    }
}
