//! docker-machine's `config.json`, version 3.
