import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { fromJSON, loadSync, type MessageTypeDefinition } from '@grpc/proto-loader';

/** A service of two files, whose reflection is v1alpha alone and sends one file for each question. */
export interface OddReflection {
  /** Symbols and files, in the order in which they were asked for. */
  readonly asked: readonly string[];
  addToServer(server: grpc.Server): void;
}

const MONEY = 'syntax = "proto3"; package money.v1; message Money { int64 minor_units = 1; }';
const TILL = `syntax = "proto3"; package shop.v2; import "money.proto";
message PayRequest { money.v1.Money price = 1; }
message PayReply { money.v1.Money paid = 1; }
service Till { rpc Pay(PayRequest) returns (PayReply); }`;

/** Field numbers as in reflection.proto. */
const text = (id: number): { type: string; id: number } => ({ type: 'string', id });
const wire = fromJSON({
  nested: {
    Ask: { fields: { fileByFilename: text(3), fileContainingSymbol: text(4), listServices: text(7) } },
    Answer: { fields: { files: { type: 'Files', id: 4 }, services: { type: 'Services', id: 6 } } },
    Files: { fields: { file: { rule: 'repeated', type: 'bytes', id: 1 } } },
    Services: { fields: { service: { rule: 'repeated', type: 'Named', id: 1 } } },
    Named: { fields: { name: text(1) } },
    File: { fields: { name: text(1), dependency: { rule: 'repeated', type: 'string', id: 3 }, package: text(2) } },
  },
}) as unknown as Record<'Ask' | 'Answer' | 'File', MessageTypeDefinition<object, object>>;

interface Ask {
  readonly fileByFilename?: string;
  readonly fileContainingSymbol?: string;
}

export function oddReflection(): OddReflection {
  const folder = mkdtempSync(join(tmpdir(), 'graylane-proto-'));
  writeFileSync(join(folder, 'money.proto'), MONEY);
  writeFileSync(join(folder, 'till.proto'), TILL);
  const definition = loadSync(join(folder, 'till.proto'), { keepCase: true, longs: String });
  rmSync(folder, { recursive: true });
  const request = definition['shop.v2.PayRequest'] as MessageTypeDefinition<object, object>;
  const files = request.fileDescriptorProtos.map((bytes) => {
    const file = wire.File.deserialize(bytes) as { package: string; name: string };
    // protobufjs leaves imports out of the descriptors that it writes; protoc does not. Fields may stand in any order.
    const imports = wire.File.serialize(file.package === 'shop.v2' ? { dependency: ['money_v1.proto'] } : {});
    return { ...file, bytes: Buffer.concat([bytes, imports]) };
  });
  const asked: string[] = [];
  const answer = ({ fileByFilename, fileContainingSymbol }: Ask): object => {
    if (fileByFilename) asked.push(fileByFilename);
    if (fileContainingSymbol) asked.push(fileContainingSymbol);
    const file = fileByFilename
      ? files.find(({ name }) => name === fileByFilename)
      : files.find((each) => fileContainingSymbol?.startsWith(`${each.package}.`));
    return file === undefined
      ? { services: { service: [{ name: 'shop.v2.Till' }] } }
      : { files: { file: [file.bytes] } };
  };
  return {
    asked,
    addToServer(server) {
      const till = grpc.loadPackageDefinition(definition) as unknown as {
        shop: { v2: { Till: grpc.ServiceClientConstructor } };
      };
      server.addService(till.shop.v2.Till.service, {
        Pay: (call: { request: { price: object } }, reply: grpc.sendUnaryData<object>) =>
          reply(null, { paid: call.request.price }),
      });
      const path = '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo';
      const serialize = (value: object): Buffer => wire.Answer.serialize(value);
      const deserialize = (bytes: Buffer): object => wire.Ask.deserialize(bytes);
      server.addService(
        {
          Info: {
            path,
            requestStream: true,
            responseStream: true,
            requestSerialize: serialize,
            requestDeserialize: deserialize,
            responseSerialize: serialize,
            responseDeserialize: deserialize,
          },
        },
        {
          Info(call: grpc.ServerDuplexStream<Ask, object>) {
            call.on('data', (ask: Ask) => call.write(answer(ask)));
            call.on('end', () => call.end());
          },
        },
      );
    },
  };
}
