import type { ContentsPart } from './contents';

interface HomeTexts {
  readonly text: string;
  readonly tagline: string;
  readonly first: string;
  readonly what: string;
  readonly play: string;
}

const TEXTS: Readonly<Record<'en' | 'zh', HomeTexts>> = {
  en: {
    text: 'Gray releases, load balancing and failover for gRPC on Node, straight from Consul',
    tagline: 'What a service mesh does for a call, without the mesh: no sidecar, no proxy hop, no control plane.',
    first: 'The first call',
    what: 'All pages',
    play: 'Playground',
  },
  zh: {
    text: 'Node 上 gRPC 的灰度发布、负载均衡与故障转移，直接基于 Consul',
    tagline: '服务网格为一次调用做的事，无需网格：没有 sidecar，没有代理跳转，没有额外的控制面。',
    first: '开始学习',
    what: '全部文档',
    play: '在线试用',
  },
};

export interface HomePage {
  readonly language: 'en' | 'zh';
  readonly parts: readonly ContentsPart[];
  readonly hasPlayground: boolean;
  /** Where a link of the index of pages leads. */
  placeOf(link: string): string;
}

/** The first page of the site in a language: what Graylane is, and a door to each part. */
export function homePage({ language, parts, hasPlayground, placeOf }: HomePage): string {
  const { text, tagline, first, what, play } = TEXTS[language];
  const linkOf = (part: ContentsPart | undefined): string => placeOf(part?.groups[0]?.entries[0]?.link ?? 'README.md');
  const matter = {
    layout: 'home',
    hero: {
      name: 'Graylane',
      text,
      tagline,
      image: { src: '/terminal.svg', alt: 'npm run demo: a canary takes its share, instances die, no call is lost' },
      actions: [
        { theme: 'brand', text: first, link: linkOf(parts[0]) },
        ...(hasPlayground ? [{ theme: 'alt', text: play, link: '/playground' }] : []),
        { theme: 'alt', text: what, link: placeOf('README.md') },
      ],
    },
    features: parts.map((part) => ({ title: part.title, details: part.says, link: linkOf(part) })),
  };
  // JSON is YAML.
  return `---\n${JSON.stringify(matter, null, 2)}\n---\n`;
}
