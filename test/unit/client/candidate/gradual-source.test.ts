import { describe, expect, it } from 'vitest';
import { type Candidate, placeOf } from '../../../../src/base/candidate';
import type { HeldCandidate } from '../../../../src/client/candidate/candidates';
import { createGradualPolicySource } from '../../../../src/client/candidate/gradual-source';
import type { PolicyReading } from '../../../../src/policy/policy-reading';

const ID = 'run-of-a-command';
const CLIENT = 'client-1';
const PLACE = placeOf(CLIENT, ID);

function held(change: Partial<Candidate> = {}, isOver = false): HeldCandidate {
  const candidate: Candidate = {
    ...{ kind: 'gradual', id: ID, by: 'alice', untilMs: 0, base: '10', below: 1, percent: 100 },
    ...{ url: 'http://127.0.0.1', key: '', everyMs: 1_000, document: { candidate: true } },
    ...change,
  };
  return { candidate, index: '11', isOver };
}

function stored(index: string): PolicyReading {
  return { kind: 'present', content: `stored ${index}`, format: 'json', index };
}

/** What a client with a place reads, as stored policies and candidates come. */
function reader() {
  const read: string[] = [];
  let tellStored: (reading: PolicyReading) => void = () => {};
  let tellHeld: (candidate: HeldCandidate | undefined) => void = () => {};
  const source = createGradualPolicySource(
    {
      origin: 'kv',
      watch(_service, listener) {
        tellStored = listener;
        return { close() {} };
      },
    },
    (_service, listener) => {
      tellHeld = listener;
      return () => {};
    },
    CLIENT,
  );
  source.watch('payments', (reading) => {
    read.push(reading.kind === 'present' ? (reading.candidate ?? String(reading.content)) : reading.kind);
  });
  return {
    read,
    stored: (reading: PolicyReading) => tellStored(reading),
    held: (candidate: HeldCandidate | undefined) => tellHeld(candidate),
  };
}

describe('a policy by degrees', () => {
  it('is read in the clients below its share, once, until it ends', () => {
    const { read, ...tell } = reader();
    tell.stored(stored('10'));
    tell.held(held({ below: PLACE - 0.001 }));
    tell.held(held({ below: PLACE + 0.001 }));
    tell.held(held({ below: 1 }));
    tell.held(undefined);
    expect(read).toEqual(['stored 10', ID, 'stored 10']);
  });

  it.each([
    ['a trial', held({ kind: 'trial' })],
    ['one whose time is over', held({}, true)],
    ['one for another policy', held({ base: '9' })],
    ['one for no policy', held({ base: undefined })],
    ['one in force nowhere', held({ below: 0 })],
  ])('is not read: %s', (_, candidate) => {
    const { read, ...tell } = reader();
    tell.stored(stored('10'));
    tell.held(candidate);
    expect(read).toEqual(['stored 10']);
  });

  it('waits for the policy that it is held against', () => {
    const { read, ...tell } = reader();
    tell.held(held());
    tell.stored(stored('9'));
    tell.stored(stored('10'));
    expect(read).toEqual(['stored 9', ID]);
  });

  it('ends when its time is over, and with any other write of the policy', () => {
    const { read, ...tell } = reader();
    tell.stored(stored('10'));
    tell.held(held());
    tell.held(held({}, true));
    tell.held(held({ id: 'another-run' }));
    tell.stored(stored('12'));
    expect(read).toEqual(['stored 10', ID, 'stored 10', 'another-run', 'stored 12']);
  });

  it('outlasts reads that fail, and leaves the stored policy behind, not itself', () => {
    const { read, ...tell } = reader();
    tell.stored(stored('10'));
    tell.held(held());
    tell.stored({ kind: 'error', reason: 'HTTP 500' });
    expect(read).toEqual(['stored 10', ID]);
    tell.held(undefined);
    expect(read).toEqual(['stored 10', ID, 'stored 10', 'error']);
  });

  it('ends with the key of the policy', () => {
    const { read, ...tell } = reader();
    tell.stored(stored('10'));
    tell.held(held());
    tell.stored({ kind: 'absent' });
    expect(read).toEqual(['stored 10', ID, 'stored 10', 'absent']);
  });
});
