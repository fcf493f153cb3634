"""Plugins that only the benchmarks run, loaded through `execution.plugin_folders`."""
