//! Talking to a camera: transports and the typed client.
