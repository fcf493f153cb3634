"""What `make bench` runs: ratios against peers, taken in one run; never asserted."""
