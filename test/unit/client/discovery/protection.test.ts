import { expect, it } from 'vitest';
import { DEFAULT_PROTECTION, NO_PROTECTION, type ProtectionOptions } from '../../../../src/client/discovery/protection';
import { parseOptions } from '../../../../src/client/options';

const parse = (protection: ProtectionOptions | false): unknown => parseOptions({ protection }, {}).protection;

it('defaults, partly given, and off', () => {
  expect(parseOptions({}, {}).protection).toEqual(DEFAULT_PROTECTION);
  expect(parse({ windowMs: 5_000, except: ['jobs'] })).toEqual({
    ...DEFAULT_PROTECTION,
    windowMs: 5_000,
    except: ['jobs'],
  });
  expect(parse(false)).toEqual(NO_PROTECTION);
});

it('names every problem with its path and what was expected', () => {
  const wrong = { confirmations: 1.5, windowMs: -1, massLossPercentage: Number.NaN, absentGraceMs: 60_001, grace: 1 };
  let message = '';
  try {
    parse({ ...wrong, except: [''] } as never);
  } catch (error) {
    message = (error as Error).message;
  }
  expect(message.split('\n')).toEqual([
    expect.stringMatching(/^protection\.grace: unknown \(expected: confirmations, /),
    'protection.except: [""] (expected: a list of service names)',
    'protection.confirmations: 1.5 (expected: 1..10)',
    'protection.windowMs: -1 (expected: 0..600000)',
    'protection.massLossPercentage: NaN (expected: 0..100)',
    'protection.absentGraceMs: 60001 (expected: 0..60000)',
  ]);
  expect(() => parse(7 as never)).toThrow('protection: 7 (expected: an object, or false)');
});
