import { describe, expect, it } from 'vitest';
import { type Announcement, decodeAnnouncement, encodeAnnouncement } from '../../../src/base/rollout-metrics';

const window = { id: '20260101-000000-ab/3', canary: 'canary', stable: 'stable', everyMs: 5000 };
const key = 'k'.repeat(32);
const sound: Announcement = { url: 'http://10.0.0.7:9464/below', key, window };
const encoded = JSON.parse(encodeAnnouncement(sound));

describe('an announcement', () => {
  it('comes back as it was written, with a window and without, in less than 1 KiB', () => {
    expect(decodeAnnouncement(encodeAnnouncement(sound))).toEqual(sound);
    const none = { ...sound, window: undefined };
    expect(decodeAnnouncement(encodeAnnouncement(none))).toEqual(none);
    expect(encodeAnnouncement(sound).length).toBeLessThan(1024);
  });

  it.each<readonly [string, string, RegExp]>([
    ['no JSON', '{', /not JSON/],
    ['no object', 'null', /format/],
    ['of another format', JSON.stringify({ ...encoded, format: 2 }), /format: another \(expected: 1\)/],
    ['very long', JSON.stringify({ ...encoded, x: 'x'.repeat(3000) }), /longer than 2048/],
    ...['file:///etc/passwd', 'ftp://h/x', 'http://user:hidden@h/', 'http://h/?x=1', 'http://h/#x', 'h:80', '', 7].map(
      (url) => [`to ${url}`, JSON.stringify({ ...encoded, url }), /^url: unusable/] as const,
    ),
    ...[undefined, '', 'short', 'with space and so on', 7].map(
      (bad) => [`with the key ${bad}`, JSON.stringify({ ...encoded, key: bad }), /^key: unusable/] as const,
    ),
    ...[
      null,
      {},
      { ...window, id: '' },
      { ...window, canary: 7 },
      { ...window, stable: 'x'.repeat(200) },
      { ...window, everyMs: 1 },
      { ...window, everyMs: 1e9 },
      { ...window, everyMs: '5000' },
    ].map(
      (bad) => [`of ${JSON.stringify(bad)}`, JSON.stringify({ ...encoded, window: bad }), /^window: unusable/] as const,
    ),
  ])('%s is refused in words that hold nothing of it', (_, text, words) => {
    const found = decodeAnnouncement(text);
    expect(found).toEqual({ problem: expect.stringMatching(words) });
    expect(JSON.stringify(found)).not.toMatch(/hidden|kkkk/);
  });
});
