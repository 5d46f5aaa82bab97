"""Virtual machines with Debian's kernels, for ci/kernels and ci/sabotage."""
