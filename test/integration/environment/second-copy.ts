import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type * as grpc from '@grpc/grpc-js';

export interface SecondCopy {
  readonly grpc: typeof grpc;
  remove(): void;
}

/** Another copy of grpc-js, as a tree has it in which two packages pin different versions. */
export function secondCopyOfGrpc(): SecondCopy {
  const ours = dirname(createRequire(__filename).resolve('@grpc/grpc-js/package.json'));
  const folder = mkdtempSync(join(tmpdir(), 'graylane-second-grpc-'));
  cpSync(ours, join(folder, 'node_modules', '@grpc', 'grpc-js'), { recursive: true });
  // Its own dependencies are found where ours finds them.
  symlinkSync(dirname(dirname(ours)), join(folder, 'node_modules', '@grpc', 'node_modules'), 'dir');
  return {
    grpc: createRequire(join(folder, 'index.js'))('@grpc/grpc-js') as typeof grpc,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
