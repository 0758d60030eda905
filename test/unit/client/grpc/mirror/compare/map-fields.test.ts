import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSync } from '@grpc/proto-loader';
import { afterAll, describe, expect, it } from 'vitest';
import { fieldNamesOf } from '../../../../../../src/client/grpc/mirror/compare/map-fields';

const folder = mkdtempSync(join(tmpdir(), 'map-fields-'));
afterAll(() => rmSync(folder, { recursive: true }));

const PROTO = `
syntax = "proto3";
package shop;
import "google/protobuf/struct.proto";
service Reports { rpc Get(Query) returns (Report); }
message Query {}
message Report {
  map<string, int32> by_customer = 1;
  repeated Line lines = 2;
  google.protobuf.Struct extra = 3;
  message Line { map<string, Report> parts = 1; string name = 2; }
}`;

function responseType(): unknown {
  const file = join(folder, 'reports.proto');
  writeFileSync(file, PROTO);
  const { Get } = loadSync(file)['shop.Reports'] as unknown as { Get: { responseType: unknown } };
  return Get.responseType;
}

describe('fieldNamesOf', () => {
  it('knows the maps of a definition of proto-loader, by both spellings', () => {
    const names = fieldNamesOf(responseType());
    expect(names.areMapsKnown).toBe(true);
    expect(['by_customer', 'byCustomer', 'parts', 'fields', 'lines', 'name', 'extra'].map(names.isMap)).toEqual([
      true,
      true,
      true,
      true,
      false,
      false,
      false,
    ]);
  });

  it.each([undefined, null, {}, { fileDescriptorProtos: 'x' }, { fileDescriptorProtos: [Buffer.from([34, 99, 1])] }])(
    'says of %j that maps are not known, or that there are none',
    (type) => {
      expect(fieldNamesOf(type).isMap('a')).toBe(false);
    },
  );
});
