"""Tests of what needs torch: `make test-training`, in the environment of the training."""
