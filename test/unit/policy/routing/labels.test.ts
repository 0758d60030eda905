import { Metadata } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { createCallLabels, labelsOf } from '../../../../src/policy/routing/labels';

function metadataOf(...pairs: readonly (readonly [string, string | Buffer])[]): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of pairs) metadata.add(key, value);
  return metadata;
}

describe('createCallLabels', () => {
  it('takes the nearest: metadata, then ambient, then static', () => {
    const labels = createCallLabels(
      metadataOf(['X-A', 'call']),
      { 'x-a': 'ambient', 'x-b': 'ambient' },
      { 'x-b': 'static', 'x-c': 'static' },
    );
    expect(['x-a', 'x-b', 'x-c', 'x-d'].map((key) => labels.get(key))).toEqual([
      'call',
      'ambient',
      'static',
      undefined,
    ]);
  });

  it('takes an empty value for a value', () => {
    expect(createCallLabels(metadataOf(['x-a', '']), { 'x-a': 'ambient' }, undefined).get('x-a')).toBe('');
  });

  it('counts a key that was sent twice as absent, and says so', () => {
    const repeated: string[] = [];
    const metadata = metadataOf(['x-a', '1'], ['x-a', '2']);
    const labels = createCallLabels(metadata, { 'x-a': 'ambient' }, { 'x-a': 'static' }, (key) => repeated.push(key));
    expect(labels.get('x-a')).toBeUndefined();
    expect(repeated).toEqual(['x-a']);
  });

  it('never reads binary metadata', () => {
    const metadata = metadataOf(['x-a-bin', Buffer.from('canary')]);
    expect(createCallLabels(metadata, { 'x-a-bin': 'canary' }, undefined).get('x-a-bin')).toBeUndefined();
    expect(createCallLabels({ get: () => [Buffer.from('x')] }, undefined, undefined).get('x-a')).toBeUndefined();
  });

  it('finds no labels in prototypes', () => {
    const labels = createCallLabels(metadataOf(), {}, {});
    for (const key of ['__proto__', 'constructor', 'tostring', 'hasownproperty'])
      expect(labels.get(key)).toBeUndefined();
    expect(labelsOf({}).get('constructor')).toBeUndefined();
  });

  it('leaves the metadata as it was', () => {
    const metadata = metadataOf(['x-a', '1']);
    createCallLabels(metadata, { 'x-b': '2' }, undefined).get('x-b');
    expect(metadata.getMap()).toEqual({ 'x-a': '1' });
  });
});
