#!/usr/bin/env bash
# Compiles src/ into dist/, makes the command executable and writes the JSON Schema that editors use for configs.
# It builds beside the old dist/ and puts it in place at the end: a build that fails leaves a program that works.
# usage: scripts/build.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build=$(mktemp -d ./.build-XXXXXX)
trap 'rm -rf "$build"' EXIT
chmod 755 "$build"

node_modules/.bin/tsc -p tsconfig.json --outDir "$build"
node scripts/flatten.mjs "$build"
chmod +x "$build/cli.js"
BUILD="$build" node --input-type=module <<'JS'
import { writeFileSync } from 'node:fs';
const { configJsonSchema } = await import(`${process.env.BUILD}/config/json-schema.js`);
writeFileSync(`${process.env.BUILD}/config.schema.json`, `${JSON.stringify(configJsonSchema(), null, 2)}\n`);
JS

rm -rf dist
mv -T "$build" dist
