#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Builds what is here into build/rust_vmm/debug, with what guests/rust.sh gets.
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
made=$top/build/rust_vmm
rust=$top/build/guests/rust/usr
"$top/guests/rust.sh"
mkdir -p "$made"
cp "$top"/tests/rust_vmm/*.{toml,rs} "$made"
cd "$made"
libraries=("$rust"/lib/*-linux-gnu)
LD_LIBRARY_PATH=${libraries[0]} PATH=$rust/bin:$PATH CARGO_HOME=$made/cargo \
    cargo build --quiet --offline --target-dir . --config 'source.crates-io.replace-with="debian"' \
    --config "source.debian.directory=\"$rust/share/cargo/registry\""
