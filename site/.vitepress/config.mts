import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitepress';
import { type ContentsPart, parseContents } from '../generate/contents';
import { placesOf, routeOf } from '../generate/places';
import { searchOptions } from '../search';

const root = fileURLToPath(new URL('../..', import.meta.url));
const places = placesOf(root);
const contents = (folder: string): readonly ContentsPart[] =>
  parseContents(readFileSync(join(root, folder, 'README.md'), 'utf8'));

/** As GitHub makes it of a heading, so that a link holds in both places. */
function slugify(heading: string): string {
  const kept = heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '');
  return kept.replaceAll(' ', '-');
}

interface SidebarItem {
  text: string;
  link?: string;
  collapsed?: boolean;
  items?: SidebarItem[];
}

function sidebar(folder: string, made: readonly SidebarItem[]): SidebarItem[] {
  return contents(folder).map((part, index) => ({
    text: part.title,
    collapsed: false,
    items: [
      ...part.groups.flatMap(({ title, entries }): SidebarItem[] => {
        const items = entries.map((entry) => ({ text: entry.title, link: routeOf(entry.link, folder, places) }));
        return title === undefined ? items : [{ text: title, collapsed: true, items }];
      }),
      ...(index === KNOW ? made : []),
    ],
  }));
}

/** The part of what is looked up. */
const KNOW = 2;

const REFERENCES: readonly SidebarItem[] = [
  {
    text: 'Made from the source',
    collapsed: true,
    items: [
      { text: 'Policy reference', link: '/reference/policy' },
      { text: 'Rollout reference', link: '/reference/rollout' },
      { text: 'Controller reference', link: '/reference/controller' },
      { text: 'Command reference', link: '/reference/command' },
      { text: 'graylane', link: '/reference/api-index' },
      { text: 'graylane/server', link: '/reference/api-server' },
      { text: 'graylane/testing', link: '/reference/api-testing' },
      { text: 'graylane/simulate', link: '/reference/api-simulate' },
      { text: 'Parts of results', link: '/reference/api-parts' },
      { text: 'Changelog', link: '/changelog' },
    ],
  },
];

export default defineConfig({
  title: 'Graylane',
  description: 'Client-side load balancing, gray releases and failover for gRPC on Node, straight from Consul.',
  srcDir: '.cache/pages',
  outDir: 'dist',
  base: process.env['SITE_BASE'] ?? '/',
  lastUpdated: false,
  // Of an example that is running on the reader's machine.
  ignoreDeadLinks: 'localhostLinks',
  markdown: {
    anchor: { slugify },
    toc: { slugify },
    headers: { slugify },
    theme: { light: 'github-light', dark: 'github-dark' },
  },
  themeConfig: {
    search: {
      provider: 'local',
      options: {
        miniSearch: searchOptions,
        locales: {
          zh: {
            translations: {
              button: { buttonText: '搜索', buttonAriaLabel: '搜索' },
              modal: {
                displayDetails: '显示详情',
                resetButtonTitle: '清除',
                backButtonTitle: '返回',
                noResultsText: '没有结果',
                footer: { selectText: '选择', navigateText: '移动', closeText: '关闭' },
              },
            },
          },
        },
      },
    },
    outline: [2, 3],
    i18nRouting: false,
  },
  locales: {
    root: {
      label: 'English',
      lang: 'en',
      themeConfig: {
        nav: [
          { text: 'Learn', link: '/first-call' },
          { text: 'All pages', link: '/contents' },
          { text: 'Comparisons', link: '/comparisons' },
        ],
        sidebar: sidebar('docs', REFERENCES),
      },
    },
    zh: {
      label: '简体中文',
      lang: 'zh-CN',
      description: 'Node 上 gRPC 的灰度发布、负载均衡与故障转移，直接基于 Consul。',
      themeConfig: {
        nav: [{ text: '文档', link: '/zh/contents' }],
        sidebar: { '/zh/': sidebar('docs/zh', []) },
        outline: { level: [2, 3], label: '本页' },
        docFooter: { prev: '上一页', next: '下一页' },
        darkModeSwitchLabel: '外观',
        lightModeSwitchTitle: '浅色',
        darkModeSwitchTitle: '深色',
        sidebarMenuLabel: '目录',
        returnToTopLabel: '回到顶部',
        langMenuLabel: '语言',
      },
    },
  },
});
