"""One HTML file to explore a plugin's networks in: they are evaluated in the page, by an interpreter of ONNX graphs."""
