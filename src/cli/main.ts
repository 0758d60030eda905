#!/usr/bin/env node
import { createProcessIo } from './io';
import { run } from './program';

void run(process.argv.slice(2), createProcessIo(process)).then((code) => {
  // Not process.exit(): output to a pipe may still be on its way.
  process.exitCode = code;
});
