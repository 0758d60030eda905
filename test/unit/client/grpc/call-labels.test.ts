import { Metadata } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { CallState } from '../../../../src/client/grpc/call-state';

function metadataOf(...pairs: readonly (readonly [string, string | Buffer])[]): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of pairs) metadata.add(key, value);
  return metadata;
}

function labelsIn(...from: Parameters<CallState['readLabelsFrom']>): CallState['labels'] {
  const call = new CallState('/shop.v1.Payments/Charge', undefined, undefined);
  call.readLabelsFrom(...from);
  return call.labels;
}

describe('the labels of a call', () => {
  it('are those of its metadata, then static ones', () => {
    const labels = labelsIn(metadataOf(['X-A', 'call']), { 'x-a': 'static', 'x-b': 'static' });
    expect(['x-a', 'x-b', 'x-c'].map((key) => labels.get(key))).toEqual(['call', 'static', undefined]);
  });

  it('are none before the decision', () => {
    expect(new CallState('/shop.v1.Payments/Charge', undefined, undefined).labels.get('x-a')).toBeUndefined();
  });

  it('may be empty', () => {
    expect(labelsIn(metadataOf(['x-a', '']), { 'x-a': 'static' }).get('x-a')).toBe('');
  });

  it('lack a key that was sent twice, and say so', () => {
    const repeated: string[] = [];
    const metadata = metadataOf(['x-a', '1'], ['x-a', '2']);
    const labels = labelsIn(metadata, { 'x-a': 'static' }, (key) => repeated.push(key));
    expect(labels.get('x-a')).toBeUndefined();
    expect(repeated).toEqual(['x-a']);
  });

  it('are never binary', () => {
    const metadata = metadataOf(['x-a-bin', Buffer.from('canary')]);
    expect(labelsIn(metadata, { 'x-a-bin': 'canary' }).get('x-a-bin')).toBeUndefined();
    expect(labelsIn({ get: () => [Buffer.from('x')] }, undefined).get('x-a')).toBeUndefined();
  });

  it('are not found in prototypes', () => {
    const labels = labelsIn(metadataOf(), {});
    for (const key of ['__proto__', 'constructor', 'tostring', 'hasownproperty'])
      expect(labels.get(key)).toBeUndefined();
  });

  it('are the same where grpc-js keeps metadata otherwise', () => {
    const metadata = metadataOf(
      ['x-a', '1'],
      ['x-b', '1'],
      ['x-b', '2'],
      ['x-c', ''],
      ['x-d-bin', Buffer.from('1')],
      ['cookie', 'group=beta; user=1'],
      ['cookie', 'user=2'],
    );
    const keys = [
      'x-a',
      'x-b',
      'x-c',
      'x-d-bin',
      'x-e',
      'x-f',
      'cookie:group',
      'cookie:user',
      'cookie:none',
      'x-long:er',
    ];
    for (const statics of [undefined, {}, { 'x-a': 's', 'x-b': 's', 'x-e': 's', 'cookie:none': 's' }]) {
      const [direct, asked] = [metadata, { get: (key: string) => metadata.get(key) }].map((from) => {
        const repeated: string[] = [];
        const labels = labelsIn(from, statics, (key) => repeated.push(key));
        return { values: keys.map((key) => labels.get(key)), repeated };
      });
      expect(direct).toEqual(asked);
      expect(direct?.repeated).toEqual(['x-b', 'cookie:user']);
      expect(direct?.values.slice(0, 4)).toEqual(['1', undefined, '', undefined]);
    }
  });

  it('leave the metadata as it was', () => {
    const metadata = metadataOf(['x-a', '1']);
    labelsIn(metadata, undefined).get('x-b');
    expect(metadata.getMap()).toEqual({ 'x-a': '1' });
  });
});
