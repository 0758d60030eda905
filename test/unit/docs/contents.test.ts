import { describe, expect, it } from 'vitest';
import { parseContents } from '../../../site/generate/contents';

describe('an index of pages', () => {
  it('is read into parts, groups and pages, in its order', () => {
    const text = [
      '# Documentation',
      '- [not](part.md)',
      '## Learn',
      '',
      'An hour.',
      '',
      '1. [The first call](first-call.md): from nothing: with npm',
      '## Do',
      '### Where it runs',
      '- [Nomad](deploy/nomad.md)',
      '- [灰度](canary.md)：少量用户',
    ].join('\n');
    expect(parseContents(text)).toEqual([
      {
        title: 'Learn',
        says: 'An hour.',
        groups: [
          {
            title: undefined,
            entries: [{ title: 'The first call', link: 'first-call.md', answers: 'from nothing: with npm' }],
          },
        ],
      },
      {
        title: 'Do',
        says: '',
        groups: [
          {
            title: 'Where it runs',
            entries: [
              { title: 'Nomad', link: 'deploy/nomad.md', answers: '' },
              { title: '灰度', link: 'canary.md', answers: '少量用户' },
            ],
          },
        ],
      },
    ]);
  });

  it('refuses an item without a link, with its line', () => {
    expect(() => parseContents('## Do\n- nothing')).toThrow('line 2: - nothing (expected: - [Title](page.md): what');
  });
});
