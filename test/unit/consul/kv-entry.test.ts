import { expect, it } from 'vitest';
import { readKvAnswer } from '../../../src/consul/kv-entry';

const answer = (body: string | Buffer, status = 200) => ({
  kind: 'answer' as const,
  status,
  index: 7n,
  filteredByAcl: false,
  dateMs: undefined,
  body: Buffer.from(body),
});
const entry = (more: object) => JSON.stringify([{ Key: 'a/b', Value: null, ModifyIndex: 12, ...more }]);
const base64 = (bytes: string | Buffer): string => Buffer.from(bytes).toString('base64');

it('reads the text, the index and the session that has the key locked', () => {
  expect(readKvAnswer(answer(entry({ Value: base64('{}'), Session: 's1' })), 'a/b')).toEqual({
    kind: 'entry',
    text: '{}',
    index: '12',
    session: 's1',
  });
  expect(readKvAnswer(answer(entry({})), 'a/b')).toMatchObject({ kind: 'entry', text: '', session: '' });
});

it('keeps an index beyond 2^53', () => {
  const body = entry({}).replace('12', '9007199254740993');
  expect(readKvAnswer(answer(body), 'a/b')).toMatchObject({ index: '9007199254740993' });
});

it('tells an absent key from an answer that cannot be read', () => {
  expect(readKvAnswer(answer('', 404), 'a/b')).toEqual({ kind: 'absent' });
  const faults = [
    ['<html>', 'not JSON'],
    ['[]', 'not the entry'],
    [entry({ Key: 'other' }), 'not the entry'],
    [entry({ Value: 5 }), 'not text'],
    [entry({ Session: 5 }), 'not text'],
    [entry({ Value: base64(Buffer.from([0xff])) }), 'not valid UTF-8'],
  ] as const;
  for (const [body, reason] of faults) {
    expect(readKvAnswer(answer(body), 'a/b')).toEqual({ kind: 'error', reason: expect.stringContaining(reason) });
  }
});
