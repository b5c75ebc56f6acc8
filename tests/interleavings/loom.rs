#![cfg(leveret_loom)]
