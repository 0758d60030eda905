import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { WebRequest } from './foreign';

/** What is used of a response of Node's `http`, or of what a framework derives from it. */
export interface WebResponse {
  /** Set before anything is sent. */
  statusCode: number;
  /** Sets a header, before anything is sent. */
  setHeader(name: string, value: string): unknown;
  /** Sends the body, and ends. */
  end(body?: string | Uint8Array): unknown;
}

/** Scripts, styles and connections of the page's own server, no frame around it, nothing inline. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
  "frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

const TYPES: Readonly<Record<string, string>> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
};

/** Headers that each answer of a server of pages carries, whatever it answers. */
export function setPageHeaders(response: WebResponse): void {
  response.setHeader('content-security-policy', POLICY);
  response.setHeader('x-content-type-options', 'nosniff');
  response.setHeader('x-frame-options', 'DENY');
  response.setHeader('referrer-policy', 'no-referrer');
  response.setHeader('cross-origin-opener-policy', 'same-origin');
  response.setHeader('cross-origin-resource-policy', 'same-origin');
}

/** True: a browser that wants a page, rather than a program that wants JSON. */
export function wantsPage({ headers = {} }: WebRequest): boolean {
  const accept = headers['accept'];
  return typeof accept === 'string' && /\btext\/html\b/.test(accept);
}

/** The document of a page: it names its script and the style sheet beside it, and holds nothing else. */
export function sendPage(request: WebRequest, response: WebResponse, page: 'process' | 'team' | 'playground'): void {
  setPageHeaders(response);
  response.setHeader('content-type', 'text/html; charset=utf-8');
  response.setHeader('cache-control', 'no-store');
  response.setHeader('vary', 'accept');
  response.statusCode = 200;
  response.end(request.method === 'HEAD' ? undefined : pageDocument(page));
}

/** `isAlone`: for a server that sends no headers of ours, so that the document itself says what it may load. */
export function pageDocument(page: string, isAlone = false): string {
  // Who may frame it, only a header can say.
  const own = POLICY.replace(" frame-ancestors 'none';", '');
  const policy = isAlone ? `<meta http-equiv="content-security-policy" content="${own}">\n` : '';
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
${policy}<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Graylane</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="style.css">
<script type="module" src="${page}.js"></script>
</head>
<body><div id="page"></div><noscript>This page needs JavaScript. What it shows is served as JSON, too.</noscript></body>
</html>
`;
}

interface PageFile {
  readonly type: string;
  readonly compressed: Buffer;
  readonly etag: string;
}

const NAME = /^[a-z][a-z-]*\.(js|css)$/;
const files = new Map<string, PageFile | undefined>();

/**
 * Sends a script or the style sheet of the pages. False: no file of theirs is called so, and nothing was sent. They are
 * read from the package's `dist/console` when they are first asked for, and kept.
 */
export function sendPageFile(request: WebRequest, response: WebResponse, name: string): boolean {
  const file = fileOf(name);
  if (file === undefined) return false;
  setPageHeaders(response);
  response.setHeader('content-type', file.type);
  response.setHeader('cache-control', 'no-cache');
  response.setHeader('vary', 'accept-encoding');
  response.setHeader('etag', file.etag);
  if (request.headers?.['if-none-match'] === file.etag) {
    response.statusCode = 304;
    response.end();
    return true;
  }
  response.statusCode = 200;
  const isCompressed = /\bgzip\b/.test(String(request.headers?.['accept-encoding'] ?? ''));
  if (isCompressed) response.setHeader('content-encoding', 'gzip');
  const body = isCompressed ? file.compressed : gunzipSync(file.compressed);
  response.setHeader('content-length', String(body.byteLength));
  response.end(request.method === 'HEAD' ? undefined : body);
  return true;
}

/** The scripts whose names fit, and the style sheet, as text by their names: for a copy that others serve. */
export function readPageFiles(names: RegExp): ReadonlyMap<string, string> {
  const folder = pagesFolder();
  const found = folder === undefined ? [] : readdirSync(folder).sort();
  const fitting = found.map((file) => file.replace(/\.gz$/, '')).filter((name) => NAME.test(name) && names.test(name));
  return new Map(fitting.map((name) => [name, gunzipSync(readFileSync(join(folder ?? '', `${name}.gz`))).toString()]));
}

function fileOf(name: string): PageFile | undefined {
  if (!NAME.test(name)) return undefined;
  const known = files.get(name);
  if (known !== undefined) return known;
  const folder = pagesFolder();
  const path = folder && join(folder, `${name}.gz`);
  if (path === undefined || !existsSync(path)) return undefined;
  const compressed = readFileSync(path);
  const etag = `"${createHash('sha256').update(compressed).digest('base64url').slice(0, 22)}"`;
  const file = { type: TYPES[name.slice(name.lastIndexOf('.') + 1)] ?? 'text/plain', compressed, etag };
  files.set(name, file);
  return file;
}

/** `dist/console` of the package that this file is part of; undefined where it was bundled into something else. */
function pagesFolder(): string | undefined {
  for (let folder = __dirname; ; folder = dirname(folder)) {
    const found = join(folder, 'dist', 'console');
    if (existsSync(join(folder, 'package.json'))) return existsSync(found) ? found : undefined;
    if (dirname(folder) === folder) return undefined;
  }
}
