//! Which triplets of a batch (or of a whole set) are worth learning from.
