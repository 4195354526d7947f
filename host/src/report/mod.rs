//! What stays after a run: one HTML page with its pictures inside.
