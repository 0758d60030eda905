import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { PolicyDocument } from '../../../src/index';
import { GRAY, graySplit } from '../../support/gray-policy';

/** Sticky by user, so many percent to the canary, and everybody else's calls by chance. */
export function stickyPolicy(percent: number): PolicyDocument {
  return { ...GRAY, routes: [{ name: 'everyone', split: graySplit(percent), stickBy: 'x-user-id' }] };
}

/** A file until the test has ended. */
export function policyFile(policy: object): string {
  const folder = mkdtempSync(join(tmpdir(), 'graylane-candidate-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'payments.json');
  writeFileSync(file, JSON.stringify(policy));
  return file;
}

/** Whether a command holds a candidate of `payments` now. `consul`: its address. */
export async function isCandidateHeld(consul: string): Promise<boolean> {
  const answer = await fetch(`${consul}/v1/kv/graylane/candidates/payments`);
  const [entry] = answer.status === 404 ? [] : ((await answer.json()) as readonly { readonly Session?: string }[]);
  return entry?.Session !== undefined;
}
