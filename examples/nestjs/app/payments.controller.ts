import type { Metadata } from '@grpc/grpc-js';
import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import type { ChargeReply } from './payments.client';

/** A server for each version; each answer says which one gave it and what label it saw. */
export function createPaymentsController(version: string): new () => object {
  @Controller()
  class PaymentsController {
    @GrpcMethod('Payments', 'Charge')
    charge({ order }: { order: string }, metadata: Metadata): ChargeReply {
      return { order, version, tag: String(metadata.get('x-tag')[0] ?? '') };
    }
  }
  return PaymentsController;
}
