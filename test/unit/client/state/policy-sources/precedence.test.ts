import { describe, expect, it } from 'vitest';
import { createDocumentOrChainSource } from '../../../../../src/client/state/policy-sources/precedence';
import type { PolicySource } from '../../../../../src/client/state/policy-sources/source';
import { FakeClock } from '../../../../../src/client/testing/fake-clock';
import type { PolicyReading } from '../../../../../src/policy/policy-reading';

const CHAIN = { ServiceName: 'payments', StartNode: 'a', Nodes: {}, Targets: {} };
const chain: PolicyReading = { kind: 'present', content: CHAIN, format: 'object', origin: 'chain' };
const plain: PolicyReading = { kind: 'present', content: { Default: true }, format: 'object', origin: 'chain' };
const absent: PolicyReading = { kind: 'absent' };
const failed: PolicyReading = { kind: 'error', reason: 'HTTP 500' };
const document = (content: object): PolicyReading => ({
  kind: 'present',
  content: JSON.stringify(content),
  format: 'json',
});
const withdrawn = { kind: 'present', content: { schema: 1, service: 'payments', tombstone: true }, format: 'object' };

/** A source that reads what it is told. */
function handSource(): PolicySource & { read(reading: PolicyReading): void; readonly watches: number } {
  const listeners = new Set<(reading: PolicyReading) => void>();
  return {
    origin: 'kv',
    read: (reading) => {
      for (const listener of [...listeners]) listener(reading);
    },
    get watches() {
      return listeners.size;
    },
    watch: (_, listener) => {
      listeners.add(listener);
      return { close: () => listeners.delete(listener) };
    },
  };
}

function start() {
  const clock = new FakeClock();
  const documents = handSource();
  const chains = handSource();
  const readings: PolicyReading[] = [];
  const told: string[] = [];
  const note = (_: string, fields?: object): void => void told.push(JSON.stringify(fields));
  const logger = { debug: note, info: note, warn: note, error: note };
  const source = createDocumentOrChainSource(documents, chains, { clock, logger });
  const watch = source.watch('payments', (reading) => readings.push(reading));
  return { clock, documents, chains, readings, told, watch };
}

describe('a document, else the chain', () => {
  it('asks for no chain while there is a document, or while it is not known whether there is one', () => {
    const { documents, chains, readings } = start();
    documents.read(failed);
    documents.read(document({ schema: 1 }));
    documents.read(failed);
    documents.read(absent);
    expect(chains.watches).toBe(0);
    expect(readings.map(({ kind }) => kind)).toEqual(['error', 'present', 'error', 'absent']);
  });

  it('takes the chain unless it is the default one, and stops asking when a document comes', () => {
    const { documents, chains, readings } = start();
    documents.read(absent);
    expect(readings).toEqual([]);
    chains.read(plain);
    chains.read(chain);
    documents.read(document({ schema: 1 }));
    expect(readings).toEqual([absent, chain, document({ schema: 1 })]);
    expect(chains.watches).toBe(0);
  });

  it('takes deleted entries for what they are, and a chain that cannot be read for nothing new', () => {
    const { documents, chains, readings } = start();
    documents.read(absent);
    chains.read(chain);
    chains.read(failed);
    chains.read(chain);
    chains.read(plain);
    expect(readings).toEqual([chain, failed, chain, withdrawn]);
  });

  it('goes without a chain that cannot be read, says so once, and takes it when it comes', () => {
    const { documents, chains, readings, told } = start();
    documents.read(absent);
    chains.read(failed);
    chains.read({ kind: 'error', reason: 'HTTP 403' });
    expect(readings).toEqual([absent, absent]);
    expect(told).toEqual([expect.stringContaining('HTTP 500')]);
    chains.read(chain);
    expect(readings.at(-1)).toEqual(chain);
  });

  it('waits a second for a chain that stays silent, not longer', () => {
    const { clock, documents, chains, readings } = start();
    documents.read(absent);
    clock.advance(999);
    expect(readings).toEqual([]);
    clock.advance(1);
    expect(readings).toEqual([absent]);
    chains.read(chain);
    expect(readings).toEqual([absent, chain]);
  });

  it('says again what the chain came to when documents can be read again', () => {
    const { documents, chains, readings } = start();
    documents.read(absent);
    chains.read(chain);
    documents.read(failed);
    documents.read(absent);
    expect(readings).toEqual([chain, failed, chain]);
  });

  it('goes back to the chain after a document that was taken back by a tombstone', () => {
    const { documents, chains, readings, watch } = start();
    documents.read(document({ schema: 1 }));
    documents.read(document({ schema: 1, tombstone: true }));
    documents.read(absent);
    chains.read(chain);
    expect(readings.at(-1)).toEqual(chain);
    watch.close();
    expect([documents.watches, chains.watches]).toEqual([0, 0]);
  });
});
