//! Networks brought along: ONNX through tract, which also is our independent oracle.
