//! Random changes to a training picture that keep its identity.
