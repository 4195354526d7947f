//! A camera on this computer: the firmware itself behind a socket, with its flash in a file.
